// The manifests for Kubernetes: whether their parts fit each other, the image, and the settings. Their form was checked
// against Kubernetes' own schemas: docs/operations.md says how.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";

const read = (file: string) => readFileSync(file, "utf8");

describe.each([
  ["embedded", "StatefulSet"],
  ["redis", "Deployment"],
])("config/kubernetes-%s.yaml", (store, kind) => {
  const parts = parseAllDocuments(read(`config/kubernetes-${store}.yaml`)).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS();
  });
  const part = (name: string) => parts.find((each) => each.kind === name);
  const { spec } = part(kind);
  const pod = spec.template.spec;
  const [memx] = pod.containers;

  it("has one memX on the embedded store, and any number on Redis", () => {
    expect(parts.map((each) => each.kind)).toEqual(["Secret", "Service", kind]);
    expect(spec.replicas > 1).toBe(store === "redis");
    expect("REDIS_URL" in part("Secret").stringData).toBe(store === "redis");
  });

  it("leads from the service to the port of the image", () => {
    expect(spec.template.metadata.labels).toEqual(spec.selector.matchLabels);
    expect(part("Service").spec.selector).toEqual(spec.selector.matchLabels);
    const [port] = memx.ports;
    expect(part("Service").spec.ports[0].targetPort).toBe(port.name);
    expect(read("Dockerfile")).toContain(`EXPOSE ${port.containerPort}\n`);
    for (const probe of [memx.startupProbe, memx.readinessProbe, memx.livenessProbe]) {
      expect((probe.httpGet ?? probe.tcpSocket).port).toBe(port.name);
    }
  });

  it("mounts volumes that exist, and keeps the data of the embedded store", () => {
    const volumes = [...pod.volumes, ...(spec.volumeClaimTemplates ?? [])].map(
      ({ name, metadata }) => name ?? metadata.name,
    );
    expect(memx.volumeMounts.map(({ name }: { name: string }) => name).sort()).toEqual(volumes.sort());
    const data = memx.volumeMounts.find(({ name }: { name: string }) => name === "data");
    expect(memx.env[0]).toEqual({ name: "MEMX_DATA_DIR", value: `${data.mountPath}/memx` });
    expect(Boolean(spec.volumeClaimTemplates)).toBe(store === "embedded");
  });

  it("gives memX only settings that it has, and as much time to end as it takes", () => {
    const deploy = read("docs/deploy.md");
    expect(memx.envFrom).toEqual([{ secretRef: { name: part("Secret").metadata.name } }]);
    for (const name of Object.keys(part("Secret").stringData)) expect(deploy).toContain(`| \`${name}\``);
    expect(() => JSON.parse(part("Secret").stringData.MEMX_ACL)).not.toThrow();
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(5);
    expect(memx.image).toMatch(new RegExp(`:${JSON.parse(read("package.json")).version}$`));
  });
});
