import { InvalidRequestError } from "./errors.ts";

/**
 * Refuses the options that are left after a call has taken those that it knows. An option that is dropped without a word,
 * for example a misspelled `expect`, undoes what other clients wrote.
 *
 * @throws {InvalidRequestError}
 */
export function refuseUnknown(rest: object): void {
  const [name] = Object.entries(rest).find(([, option]) => option !== undefined) ?? [];
  if (name !== undefined) throw new InvalidRequestError("invalid_request", `There is no option \`${name}\` here.`);
}
