// Hands the changes that other processes made to the channels of this one. The bridge in selfhost/ hears of them.

import pLimit from "p-limit";
import { log } from "../log.ts";
import { METRICS } from "../metrics.ts";
import { parseNews } from "../store/redis/news.ts";
import { publish } from "./publish.ts";
import { channelName, type Topic } from "./topic.ts";

/** What the bridge sends. */
export type News = {
  /** Messages of write.lua, in the order in which they came. */
  readonly messages?: readonly string[];
  /** Topics of which the bridge may have missed messages. */
  readonly missed?: readonly Topic[];
};

/** Channels that compare themselves with the store at a time, so that the requests of callers get through. */
const REPAIRS = 4;

export async function hearNews(env: Env, { messages = [], missed = [] }: News): Promise<void> {
  // All are sent at once, so they reach each channel in order.
  const published = messages
    .flatMap((message) => parseNews(message, env.MEMX_PROCESS ?? ""))
    .map(({ topic, applied }) => publish(env, topic, applied));
  const limit = pLimit(REPAIRS);
  await Promise.all([...published, ...missed.map((topic) => limit(() => repair(env, topic)))]);
}

/** If it fails, the channel tries again with its next alarm. */
async function repair(env: Env, topic: Topic): Promise<void> {
  try {
    await env.CHANNEL.getByName(channelName(topic)).repair(topic);
  } catch (cause) {
    METRICS.repairFailures.add();
    log("warn", "repair_failed", { cause });
  }
}
