/**
 * Makes foreign text harmless to print. A file name is chosen by whoever made the tree: printed as it is, it could move
 * the cursor, recolour the terminal, reverse the reading order or fake a line of output.
 *
 * @module
 */

/** Control characters, format characters (bidi overrides, zero width, tags), lone surrogates, line separators. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Returns `text` with every character that a terminal could act on spelled out: `\xNN` for control characters,
 * `\u{…}` for the rest. Letters, digits, marks, emoji and spaces of all scripts stay. Meant for eyes: a name that
 * contains a backslash is not told apart from a spelled-out one; `--json` is exact.
 */
export function safeText(text: string): string {
  return text.replace(UNSAFE, (char) => {
    const code = char.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/** As `JSON.stringify`, with the characters of {@linkcode safeText} escaped too; parses back to the same value. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, (char) => {
    let escaped = "";
    for (let i = 0; i < char.length; i++) escaped += `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`;
    return escaped;
  });
}
