// Lets a test import a module with a mutant, `channel.ts?mutant=<name>`: the modules of its folder are then copies with the
// mutant's edits.

import { basename } from "node:path";
import type { Plugin } from "vite";
import { MUTANTS, type Mutant } from "../simulation/relays/mutants.ts";

export function mutants(): Plugin {
  const mutantOf = (id: string | undefined) => /[?&]mutant=(\w+)/.exec(id ?? "")?.[1];
  return {
    name: "mutants",
    enforce: "pre",
    async resolveId(source, importer) {
      const name = mutantOf(importer);
      if (name === undefined || !source.startsWith("./")) return undefined;
      const resolved = await this.resolve(source, importer, { skipSelf: true });
      return resolved && `${resolved.id}?mutant=${name}`;
    },
    transform(code, id) {
      const name = mutantOf(id);
      if (name === undefined) return undefined;
      const mutant: Mutant | undefined = MUTANTS[name as keyof typeof MUTANTS];
      if (!mutant) throw new Error(`there is no mutant ${name}`);
      let mutated = code;
      for (const { file, from, to } of mutant.edits) {
        if (file !== basename(id.split("?")[0] ?? "")) continue;
        if (mutated.split(from).length !== 2) throw new Error(`${file} has not exactly one ${JSON.stringify(from)}`);
        mutated = mutated.replace(from, () => to);
      }
      return mutated;
    },
  };
}
