// QueryAgent asks: it puts a question and its background into the memory, and reads out the answer once it stands.

import { randomUUID } from "node:crypto";
import { attend } from "./team.ts";

const run = randomUUID().slice(0, 8);
const question = "How can hospitals adopt open-source language models for clinical work?";
let asked = false;

const board = await attend(async (board) => {
  if (!asked) {
    asked = true;
    console.log(`asks: ${question}`);
    await board.set("memx:context", {
      background: "A regional hospital group considers running language models on its own machines.",
      concerns: ["privacy of patient data", "cost of hardware", "validation before deployment", "licence terms"],
      run,
    });
    await board.set("memx:query", { question, asked_at: new Date().toISOString(), run });
  } else if (board.get("memx:query")?.run !== run) {
    console.error("someone else has asked another question since, so this one will not be answered");
    process.exit(1);
  }
});

const summary = board.get("memx:summary");
console.log(`has its answer, drawn from ${summary?.sources.join(", ")}:`);
console.log(summary?.text.replaceAll(/(?<=[.!?]) /g, "\n"));
