// QueryAgent writes a question and its context into the memory, and prints the answer once it is there.

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
      concerns: ["privacy of patient data", "cost of hardware", "validation before deployment", "license terms"],
      run,
    });
    await board.set("memx:query", { question, asked_at: new Date().toISOString(), run });
  } else if (board.get("memx:query")?.run !== run) {
    console.error("another agent has written a new question, so this one gets no answer");
    process.exit(1);
  }
});

const summary = board.get("memx:summary");
console.log(`has its answer, from ${summary?.sources.join(", ")}:`);
console.log(summary?.text.replaceAll(/(?<=[.!?]) /g, "\n"));
