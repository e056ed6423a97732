// The official MCP server: what scripts/build-mcp-sdk.ts bundles into mcp-sdk.mjs. Import that file and not this one, with
// `import()`: it is almost as large as the rest of memX, and most isolates never need it.

export { createMcpHandler, ProtocolError, Server } from "@modelcontextprotocol/server";
