// Counts the work of one request against schemas and patches, so that no request keeps the isolate to itself. A step is about a
// microsecond. docs/decisions/0027 has the figures.

import { LIMITS } from "../../config/limits.ts";
import { requestVariables } from "../request-context.ts";
import type { WorkShare } from "../work-share.ts";

/** The request has no steps left. Nothing that it asked for has been written. */
export class WorkExceeded extends Error {
  override name = "WorkExceeded";
}

/** Ends a check that cannot be finished because of what the value is. The message is for the caller. */
export class Unchecked extends Error {
  override name = "Unchecked";
  readonly path: string;

  constructor(message: string, path = "") {
    super(message);
    this.path = path;
  }
}

export class WorkMeter {
  readonly #share: WorkShare | undefined = requestVariables().workShare;
  #left: number;
  #reportLeft: number;

  constructor(steps: number = LIMITS.maxWorkSteps, reportSteps: number = LIMITS.maxReportSteps) {
    this.#left = steps;
    this.#reportLeft = reportSteps;
  }

  get left(): number {
    return this.#left;
  }

  /**
   * Call it at the start of work, and again after each `await` in it.
   * @throws {ApiError} `rate_limited` if the namespace has used its share of the isolate's time
   */
  begin(): void {
    this.#share?.require();
  }

  /** Call it before the work. @throws {WorkExceeded} */
  spend(steps: number): void {
    this.#share?.spend(steps);
    this.#left -= steps;
    if (this.#left < 0) throw new WorkExceeded("the request has no steps left");
  }

  /**
   * Runs `work` on a part of the steps that are set aside for error messages, so that the errors of a value that took many steps can
   * still be described. Returns `undefined` if these run out.
   */
  report<T>(part: number, work: () => T): T | undefined {
    const left = this.#left;
    const rest = this.#reportLeft * (1 - part);
    this.#left = this.#reportLeft - rest;
    try {
      return work();
    } catch (error) {
      if (error instanceof WorkExceeded) return undefined;
      throw error;
    } finally {
      this.#reportLeft = rest + Math.max(this.#left, 0);
      this.#left = left;
    }
  }
}
