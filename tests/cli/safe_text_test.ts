import fc from "fast-check";
import assert from "node:assert/strict";
import { safeJson, safeText } from "../../src/cli/safe_text.ts";

Deno.test("safeText spells out what a terminal acts on", () => {
  assert.equal(safeText("\x1b[2Jgone\x07"), "\\x1b[2Jgone\\x07");
  assert.equal(safeText("a\nb\tc\r"), "a\\x0ab\\x09c\\x0d");
  assert.equal(safeText("\x9b31m"), "\\x9b31m");
  assert.equal(safeText("\x7f"), "\\x7f");
  assert.equal(safeText("photo\u202egpj.exe"), "photo\\u{202e}gpj.exe");
  assert.equal(safeText("\u2066a\u2069\u200e\u200b\ufeff"), "\\u{2066}a\\u{2069}\\u{200e}\\u{200b}\\u{feff}");
  assert.equal(safeText("\u2028\u2029"), "\\u{2028}\\u{2029}");
  assert.equal(safeText("\u{e0041}"), "\\u{e0041}");
  assert.equal(safeText("\ud800x"), "\\u{d800}x");
  assert.equal(safeText("\u00ad"), "\\xad");
});

Deno.test("safeText leaves text of all scripts as it is", () => {
  for (
    const text of [
      "",
      "plain.txt",
      "naïve café",
      "日本語 ファイル",
      "кириллица",
      "עברית",
      "👩🏽 🎉",
      "e\u0301",
      "a b",
      "C:\\x",
    ]
  ) {
    assert.equal(safeText(text), text);
  }
});

Deno.test("safeText: nothing unsafe is left, and it is stable", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const safe = safeText(text);
    assert.doesNotMatch(safe, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    assert.equal(safeText(safe), safe);
  }));
});

Deno.test("safeJson is one harmless line and parses back to the same value", () => {
  fc.assert(fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
    const line = safeJson(value);
    assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    assert.deepEqual(JSON.parse(line), JSON.parse(JSON.stringify(value)));
  }));
  assert.equal(safeJson("\u{e0041}\u202e\x9b"), '"\\udb40\\udc41\\u202e\\u009b"');
});
