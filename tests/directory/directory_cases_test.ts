import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { tempPermissions as permissions, withTempDir } from "../support/temp.ts";
import { directoryCases } from "./directory_cases.ts";

for (const { name, run } of directoryCases) {
  Deno.test(
    `fetchDir: ${name}`,
    { permissions },
    () => withTempDir((dir) => run(dir, (store) => Promise.resolve(new StoreChunkSource(store)))),
  );
}
