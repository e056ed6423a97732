// Replaces the part of the MCP server that memX never calls, to keep it out of the bundle: a second JSON Schema validator, for
// what a server asks of a person. memX asks nothing, and checks the arguments of its tools itself.

export class DefaultJsonSchemaValidator {
  getValidator(): never {
    throw new Error("memX does not ask for input.");
  }
}

/** For servers that talk over standard input and output. */
export const process = undefined;
