// A socket of calls, which ends in the Worker. For each message it does what memX does for a request: counts the call, finds out
// who calls, checks, runs the call and answers. The messages of one turn go to the store together.

import { LIMITS } from "../../config/limits.ts";
import { revocationMs } from "../../memory/access/revocation.ts";
import { ApiError } from "../../memory/errors.ts";
import { isLonger } from "../../memory/json-text.ts";
import { reportError } from "../../memory/report-error.ts";
import type { RequestVariables } from "../../memory/request-context.ts";
import { withVariables } from "../../memory/request-context.ts";
import { type TurnStore, turnStore } from "../../memory/store/turn-store.ts";
import { workShare } from "../../memory/work-share.ts";
import type { Committer } from "../../memory/writes/commit.ts";
import { CLOSE_CODES, RENEW, SERVICE_RESTART, splitFrame, TRY_AGAIN_LATER } from "../../sdk/protocol.ts";
import { type Answer, answerOf, encodeAnswer, refusalOf } from "../calls/answer.ts";
import type { Body, CallResult } from "../calls/call.ts";
import { Gate } from "../calls/gate.ts";
import { KeyOrder, type Turn } from "../calls/key-order.ts";
import { checkAgentName } from "../request/agent-name.ts";
import { admit, checkKey } from "../request/authenticate.ts";
import { identify } from "../request/idempotency-key.ts";
import { countReceived } from "../request/read-request.ts";
import { countSent } from "../response/json.ts";
import { closeReason } from "../response/refuse-socket.ts";
import { AnswerFrames } from "./answer-frames.ts";
import { takePlace } from "./open-sockets.ts";
import { keysOf, type Message, readCallBody, readMessage, targetOf } from "./read-message.ts";
import { sharedWaitUntil } from "./shared-wait-until.ts";
import { socketCall } from "./socket-calls.ts";

const NO_MESSAGE = "A message must be a JSON object with a whole number as its `id` and no name twice.";

/** Steps of the namespace's share that refusing a call takes. */
const REFUSAL_STEPS = 20;

/**
 * How often a socket looks for its API key within the time for which a good one is trusted. The cache asks the source again
 * after 5/6 of that time, so a revoked API key loses its sockets when HTTP would refuse it.
 */
const CHECKS = 6;

type Options = {
  readonly requestId: string;
  /** After so many requests the socket asks for its successor, and after so many it takes no more calls. */
  readonly renewAt: number;
  readonly endAt: number;
};

export class CallSocket {
  readonly #socket: WebSocket;
  readonly #opener: Committer;
  readonly #options: Options;
  readonly #store: TurnStore;
  readonly #writer: Omit<Committer, "caller" | "by">;
  readonly #variables: Partial<RequestVariables>;
  readonly #frames: AnswerFrames;
  readonly #order = new KeyOrder();
  /** Calls enter them in the order of their messages, so a call that waits for an earlier one never keeps its place from it. */
  readonly #gates = { wide: new Gate(LIMITS.maxWideReads), large: new Gate(LIMITS.maxPatchesInFlight) };
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #leave: () => void;
  #requests = 0;
  #inFlight = 0;
  #charsInFlight = 0;
  #renewed = false;
  /** How the socket closes once nothing is in flight. It takes no more calls. */
  #ending: { readonly code: number; readonly reason: string } | undefined;
  #closed = false;
  #heardMs = Date.now();

  /**
   * Serves the socket until it closes.
   * @throws {ApiError} `rate_limited`
   */
  constructor(socket: WebSocket, opener: Committer, options: Options) {
    this.#socket = socket;
    this.#opener = opener;
    this.#options = options;
    const checkMs = revocationMs(opener.env) / CHECKS;
    this.#leave = takePlace(opener.caller.keyHash);
    this.#store = turnStore(opener.store, () => this.#countRequest());
    this.#writer = {
      env: opener.env,
      executionCtx: sharedWaitUntil(opener.executionCtx),
      store: this.#store,
      deadline: this.#store.deadline,
    };
    this.#variables = {
      requestId: options.requestId,
      workShare: workShare(opener.env, opener.caller.namespace),
    };
    this.#frames = new AnswerFrames(
      (frame) => this.#send(frame),
      () => this.#close(TRY_AGAIN_LATER, "The client reads too slowly."),
    );
    socket.addEventListener("message", ({ data }) => withVariables(this.#variables, () => this.#receive(data)));
    socket.addEventListener("close", () => this.#stop());
    socket.addEventListener("error", () => this.#stop());
    socket.accept();
    this.#timer = setInterval(() => withVariables(this.#variables, () => void this.#check()), checkMs);
  }

  #receive(data: string | ArrayBuffer): void {
    this.#heardMs = Date.now();
    if (data === "ping") this.#frames.pong();
    else if (!this.#ending && !this.#closed) this.#receiveFrame(data);
  }

  #receiveFrame(data: string | ArrayBuffer): void {
    const { texts, fault } = readFrame(data);
    for (const text of texts) {
      const message = readMessage(text);
      if (!message) {
        this.#end(CLOSE_CODES.invalid_request, NO_MESSAGE);
        break;
      }
      if ("error" in message) this.#answer(message.id, refusalOf(message.error));
      else void this.#run(message, text.length);
    }
    // Nothing says which calls these are, so none of them can be answered.
    if (fault) this.#end(CLOSE_CODES.invalid_request, fault);
  }

  async #run(message: Message, chars: number): Promise<void> {
    if (this.#inFlight >= LIMITS.maxCallsInFlight || this.#charsInFlight + chars > LIMITS.maxCallChars) {
      this.#answer(message.id, this.#refuse(tooManyCalls()));
      return;
    }
    this.#inFlight++;
    this.#charsInFlight += chars;
    const { kind, gate } = socketCall(message.call);
    // Before anything else happens, so that the order is that of the messages.
    const turn = this.#order.enter(keysOf(message), kind);
    const run = () => this.#runInTurn(message, turn);
    const answer = await answerOf(gate ? () => this.#gates[gate].run(run) : run);
    turn.leave();
    this.#inFlight--;
    this.#charsInFlight -= chars;
    this.#answer(message.id, answer.code === "rate_limited" ? this.#refuse(answer) : answer);
    // The answer tells it first.
    if (answer.code === "invalid_api_key") this.#end(CLOSE_CODES.invalid_api_key, "Invalid or inactive API key.");
    this.#closeIfIdle();
  }

  async #runInTurn(message: Message, { ready }: Turn): Promise<CallResult> {
    const { env, by, caller: opener } = this.#opener;
    const { operation, run } = socketCall(message.call);
    const caller = await admit(env, opener.keyHash);
    // An API key that moved to another namespace takes its own share.
    if (caller.namespace !== opener.namespace) this.#variables.workShare = workShare(env, caller.namespace);
    countReceived(message.body.length);
    const body = readCallBody(message, operation);
    // As over HTTP, a read ignores them.
    const { agent, idempotency: id } = operation.writes ? message : {};
    const name = checkAgentName(agent, "The `agent`") ?? by;
    const idempotency = id === undefined ? undefined : await identify(opener.keyHash, id, targetOf(message, operation));
    if (ready) await ready;
    const writer = { ...this.#writer, caller, by: name };
    return run(writer, body as Body<never>, idempotency);
  }

  #answer(id: number, answer: Answer): void {
    if (this.#closed) return;
    countSent(answer.text.length);
    this.#frames.add(`{"id":${id},${encodeAnswer(answer)}}`);
    if (this.#frames.unread > LIMITS.maxUnreadChars) this.#close(TRY_AGAIN_LATER, "The client reads too slowly.");
  }

  /** A refusal is work too, and nothing else bounds how many there are. */
  #refuse(answer: Answer): Answer {
    this.#variables.workShare?.spend(REFUSAL_STEPS);
    return answer;
  }

  #countRequest(): void {
    this.#requests++;
    const { renewAt, endAt } = this.#options;
    if (this.#requests >= endAt) this.#end(SERVICE_RESTART, "The socket has made as many requests as it may.");
    if (this.#requests < renewAt || this.#renewed) return;
    this.#renewed = true;
    this.#frames.add(RENEW);
    // The client may have sent calls before it read that.
    setTimeout(() => this.#end(SERVICE_RESTART, "The socket was renewed."), LIMITS.renewMs);
  }

  /** Closes a socket whose API key was revoked, or whose client has gone without a word. Calls of its own find out earlier. */
  async #check(): Promise<void> {
    if (Date.now() - this.#heardMs > LIMITS.maxSilenceMs)
      return this.#close(TRY_AGAIN_LATER, "The client sends no ping.");
    try {
      await checkKey(this.#opener.env, this.#opener.caller.keyHash);
    } catch (error) {
      const { code, message } = reportError(error);
      if (code === "invalid_api_key") this.#end(CLOSE_CODES.invalid_api_key, message);
      // In an outage each call is refused until API keys can be checked again.
    }
  }

  /** Takes no more calls, answers those in flight, and then closes. */
  #end(code: number, reason: string): void {
    this.#ending ??= { code, reason };
    this.#closeIfIdle();
  }

  #closeIfIdle(): void {
    if (this.#ending && this.#inFlight === 0) this.#close(this.#ending.code, this.#ending.reason);
  }

  #send(frame: string): void {
    try {
      this.#socket.send(frame);
    } catch {
      this.#stop(); // The client has gone.
    }
  }

  #close(code: number, reason: string): void {
    if (this.#closed) return;
    this.#frames.flush();
    if (this.#closed) return; // The client had gone.
    this.#stop();
    this.#socket.close(code, closeReason(reason));
  }

  #stop(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#frames.end();
    this.#store.end();
    this.#leave();
  }
}

/** The messages of a frame, or why it has none. */
function readFrame(data: string | ArrayBuffer): { readonly texts: readonly string[]; readonly fault?: string } {
  if (typeof data !== "string") return { texts: [], fault: "A frame must be text." };
  if (isLonger(data, LIMITS.maxFrameBytes)) {
    return { texts: [], fault: `A frame must not have more than ${LIMITS.maxFrameBytes} bytes.` };
  }
  const texts = splitFrame(data, LIMITS.maxFrameCalls + 1);
  if (texts.length <= LIMITS.maxFrameCalls) return { texts };
  return { texts: [], fault: `A frame must not have more than ${LIMITS.maxFrameCalls} messages.` };
}

function tooManyCalls(): Answer {
  const detail = `A socket must not have more than ${LIMITS.maxCallsInFlight} calls, or ${LIMITS.maxCallChars} characters of them, in flight.`;
  return refusalOf(new ApiError("rate_limited", detail, { retryAfterSeconds: 1 }));
}
