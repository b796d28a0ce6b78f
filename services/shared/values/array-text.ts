/**
 * PostgreSQL array literal ↔ JSON array text, without losing a digit: numbers are copied as written, never
 * read into a double. Elements of json arrays are JSON strings holding the element's text, so that an element
 * `[1]` and a nested array stay apart.
 */
import { parseDecimal } from './decimal.ts';
import type { TypeFamily } from '../catalog/central-types.ts';

const NUMERIC_FAMILIES: readonly TypeFamily[] = ['integer', 'numeric', 'float'];
/** What PostgreSQL itself quotes in its output. */
const NEEDS_QUOTES = /^$|^null$|[{}",\\ \t\n\v\f\r]/i;
/** One level of words that neither side quotes, `{range,n1}`: most arrays there are. NULL is none of them. */
const PLAIN_WORDS = /^\{(?:(?!null[,}])[\w.:/-]+(?:,(?!null[,}])[\w.:/-]+)*)?\}$/i;

/** @returns null where JSON has no such array (bounds that don't start at 1): keep the literal then. */
export function arrayToJson(literal: string, element: TypeFamily): string | null {
  if (!literal.startsWith('{')) return null;
  if (element === 'text' && PLAIN_WORDS.test(literal)) {
    return literal === '{}' ? '[]' : `["${literal.slice(1, -1).replaceAll(',', '","')}"]`;
  }
  const token = /\{|\}|,|"((?:[^"\\]|\\.)*)"|((?:[^{}",\\]|\\.)+)/gsy;
  let json = '';
  for (let match = token.exec(literal); match !== null; match = token.exec(literal)) {
    const [text, quoted, bare] = match;
    if (text === '{') json += '[';
    else if (text === '}') json += ']';
    else if (text === ',') json += ',';
    else if (quoted !== undefined) json += elementJson(quoted.replaceAll(/\\(.)/gs, '$1'), element);
    else if (bare === 'NULL') json += 'null';
    else json += elementJson((bare ?? '').replaceAll(/\\(.)/gs, '$1'), element);
    if (token.lastIndex === literal.length) return json;
  }
  return null;
}

function elementJson(text: string, family: TypeFamily): string {
  if (family === 'boolean') return text === 't' ? 'true' : 'false';
  if (NUMERIC_FAMILIES.includes(family) && parseDecimal(text) !== null) return text;
  return JSON.stringify(text);
}

/** @returns null where the text is no JSON array. */
export function jsonToArray(json: string, element: TypeFamily): string | null {
  if (!/^\s*\[/.test(json) || !isJson(json)) return null;
  let literal = '';
  let at = 0;
  while (at < json.length) {
    const letter = json[at] ?? '';
    if (letter === '[' || letter === ']' || letter === ',') {
      literal += letter === '[' ? '{' : letter === ']' ? '}' : ',';
      at += 1;
    } else if (/\s/.test(letter)) {
      at += 1;
    } else {
      const end = endOfValue(json, at);
      literal += arrayElement(json.slice(at, end), element);
      at = end;
    }
  }
  return literal;
}

function arrayElement(json: string, family: TypeFamily): string {
  if (json === 'null') return 'NULL';
  if (json === 'true' || json === 'false') return family === 'boolean' ? json.charAt(0) : json;
  const text = json.startsWith('"') ? (JSON.parse(json) as string) : json;
  return NEEDS_QUOTES.test(text) ? `"${text.replaceAll(/["\\]/g, '\\$&')}"` : text;
}

/** @returns the index after the string, object, number or word that starts at `start`; the JSON is valid. */
function endOfValue(json: string, start: number): number {
  const token = /"(?:[^"\\]|\\.)*"|[{}]|[^"{}]/gsy;
  const plain = /"(?:[^"\\]|\\.)*"|[^",[\]{}\s]+/sy;
  if (json[start] !== '{') {
    plain.lastIndex = start;
    return plain.exec(json) === null ? start + 1 : plain.lastIndex;
  }
  token.lastIndex = start;
  let depth = 0;
  for (let match = token.exec(json); match !== null; match = token.exec(json)) {
    if (match[0] === '{') depth += 1;
    if (match[0] === '}') depth -= 1;
    if (depth === 0) break;
  }
  return token.lastIndex;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
