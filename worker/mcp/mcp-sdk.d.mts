export * from "./mcp-sdk.ts";
