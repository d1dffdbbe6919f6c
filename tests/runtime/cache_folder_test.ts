import assert from "node:assert/strict";
import { join } from "node:path";
import { cacheFolder, cacheFolderOf } from "../../src/runtime/cache_folder.ts";

const of = (platform: "posix" | "darwin" | "windows", environment: Record<string, string>) =>
  cacheFolderOf("app", platform, (name) => environment[name]);

Deno.test("cacheFolder: where each system wants it", { permissions: "none" }, () => {
  assert.equal(of("posix", { HOME: "/home/me" }), join("/home/me", ".cache", "app"));
  assert.equal(of("posix", { HOME: "/home/me", XDG_CACHE_HOME: "/var/me" }), join("/var/me", "app"));
  assert.equal(of("darwin", { HOME: "/Users/me" }), join("/Users/me", "Library", "Caches", "app"));
  assert.equal(of("darwin", { HOME: "/Users/me", XDG_CACHE_HOME: "/var/me" }), join("/var/me", "app"));
  assert.equal(of("windows", { LOCALAPPDATA: "/local", HOME: "/home/me" }), join("/local", "app"));
});

Deno.test("cacheFolder: none where the environment names none, or none that is absolute", {
  permissions: "none",
}, () => {
  assert.equal(of("posix", {}), undefined);
  assert.equal(of("posix", { HOME: "", XDG_CACHE_HOME: "" }), undefined);
  assert.equal(of("posix", { HOME: "here", XDG_CACHE_HOME: "there" }), undefined);
  assert.equal(of("posix", { HOME: "/home/me", XDG_CACHE_HOME: "there" }), join("/home/me", ".cache", "app"));
  assert.equal(of("windows", { HOME: "/home/me" }), undefined);
});

Deno.test(
  "cacheFolder: without permission to read the environment there is none",
  { permissions: "none" },
  () => {
    assert.equal(cacheFolder("app"), undefined);
  },
);
