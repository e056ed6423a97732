// The official MCP server. `import()` this file, and nothing else of the package: it is almost as large as the rest of memX, and most
// isolates never need it. It must import nothing of ours, because the bundler defers all that a deferred file imports, and then
// every isolate starts more slowly.

export { createMcpHandler, ProtocolError, Server } from "@modelcontextprotocol/server";
