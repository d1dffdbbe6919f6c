/**
 * Blanks what is not code in a TypeScript source, so that a check by pattern sees code only. Line breaks and
 * lengths stay, so positions still point into the original.
 *
 * @module
 */

/** What {@linkcode blankSource} leaves standing besides code. */
export interface BlankOptions {
  /** Keeps the contents of string literals, which import specifiers need. @default false */
  readonly keepStrings?: boolean;
}

/** After one of these a `/` begins a regular expression, after anything else it divides. */
const BEFORE_REGEXP =
  /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|do|else|void|await|yield))\s*$/;

const blank = (text: string): string => text.replace(/[^\n]/g, " ");

/** Returns `source` with comments, regular expressions and (by default) string contents replaced by spaces. */
export function blankSource(source: string, options: BlankOptions = {}): string {
  let out = "";
  let at = 0;
  /** Positions of the braces that open a `${` of a template, innermost last. */
  const templates: number[] = [];
  let depth = 0;

  const copy = (end: number) => {
    out += source.slice(at, end);
    at = end;
  };
  const erase = (end: number) => {
    out += blank(source.slice(at, end));
    at = end;
  };
  const literal = (end: number) => options.keepStrings ? copy(end) : erase(end);
  const endOf = (pattern: RegExp): number => {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    return match === null ? source.length : match.index + match[0].length;
  };
  /** Takes template text from `at` up to its end or its next `${`. */
  const templateText = () => {
    const end = endOf(/(?:\\[\s\S]|[^\\`$]|\$(?!\{))*/y);
    literal(end);
    if (source.startsWith("${", at)) {
      copy(at + 2);
      templates.push(depth++);
    } else if (at < source.length) {
      copy(at + 1);
    }
  };

  while (at < source.length) {
    const char = source[at];
    const two = source.slice(at, at + 2);
    if (two === "//") {
      erase(endOf(/[^\n]*/y));
    } else if (two === "/*") {
      erase(endOf(/\/\*[\s\S]*?\*\//y));
    } else if (char === '"' || char === "'") {
      const end = endOf(char === '"' ? /"(?:\\[\s\S]|[^"\\\n])*"?/y : /'(?:\\[\s\S]|[^'\\\n])*'?/y);
      copy(at + 1);
      literal(Math.max(at, end - 1));
      copy(end);
    } else if (char === "`") {
      copy(at + 1);
      templateText();
    } else if (char === "/" && BEFORE_REGEXP.test(out.slice(-200))) {
      erase(endOf(/\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y));
    } else if (char === "{") {
      depth++;
      copy(at + 1);
    } else if (char === "}") {
      depth--;
      copy(at + 1);
      if (templates.at(-1) === depth) {
        templates.pop();
        templateText();
      }
    } else {
      copy(endOf(/[^/"'`{}]+|[\s\S]/y));
    }
  }
  return out;
}
