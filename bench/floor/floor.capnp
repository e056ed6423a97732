# The floor on workerd, with the same kind of Durable Object as memX.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .floor),
    (name = "disk", disk = (writable = true)),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [(name = "http", service = "main")],
);

const floor :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "dist/worker.js")],
  compatibilityDate = "2026-11-01",
  bindings = [
    (name = "FLOOR", durableObjectNamespace = "Floor"),
    (name = "BRIDGE_URL", fromEnvironment = "BRIDGE_URL"),
    (name = "BRIDGE_TOKEN", fromEnvironment = "BRIDGE_TOKEN"),
    (name = "SCRIPT_SHA", fromEnvironment = "SCRIPT_SHA"),
  ],
  durableObjectNamespaces = [(className = "Floor", uniqueKey = "floor", enableSql = true)],
  durableObjectStorage = (localDisk = "disk"),
);
