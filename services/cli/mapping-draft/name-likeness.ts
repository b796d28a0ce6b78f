/** How alike two names are, by their words. Pure. */
import { editDistance } from '../../shared/mapping/mapping-source.ts';
import { meaningsOf, partsOf } from './vocabulary.ts';

const UMLAUTS: Readonly<Record<string, string>> = { ä: 'ae', ö: 'oe', ü: 'ue', ß: 'ss' };

/** Stand between words and say nothing. */
const JOINTS: readonly string[] = [
  'de',
  'du',
  'des',
  'la',
  'le',
  'les',
  'el',
  'los',
  'las',
  'del',
  'der',
  'die',
  'das',
  'of',
  'the',
];

/** `artikelNr`, `ARTIKEL_NR` and `Artikel-Nr` → artikel, nr */
export function wordsOf(name: string): readonly string[] {
  const words = splitName(name);
  const telling = words.filter((word) => !JOINTS.includes(word));
  return (telling.length === 0 ? words : telling).flatMap(partsOf);
}

function splitName(name: string): readonly string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .replace(/[äöüß]/g, (letter) => UMLAUTS[letter] ?? letter)
    .normalize('NFD')
    .replace(/\p{Mark}/gu, '')
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}

/** The same but for case, separators and plural. */
export function isSpeltAlike(a: string, b: string): boolean {
  const folded = (name: string) => wordsOf(name).map(singular).join('');
  return folded(a) === folded(b);
}

function singular(word: string): string {
  if (/(?:ss|us|is)$/.test(word) || word.length < 4) return word;
  return word
    .replace(/ies$/, 'y')
    .replace(/(?<=x|ch|sh|ss)es$/, '')
    .replace(/s$/, '');
}

/** Of a word that stands for the other: `qty` for quantity, `prod` for product. */
const SHORTENED = 0.8;
const MISSPELT = 0.8;

function wordLikeness(a: string, b: string): number {
  if (singular(a) === singular(b)) return 1;
  const other = meaningsOf(b);
  if ([...meaningsOf(a)].some((meaning) => other.has(meaning))) return 0.95;
  if (isShortFor(a, b) || isShortFor(b, a)) return SHORTENED;
  const longer = Math.max(a.length, b.length);
  return longer >= 4 && editDistance(a, b) <= longer / 4 ? MISSPELT : 0;
}

/** Begins alike, and has the other's letters in their order. */
function isShortFor(short: string, long: string): boolean {
  if (short.length < 2 || short.length >= long.length || short[0] !== long[0]) return false;
  let at = 0;
  for (const letter of long) if (letter === short[at]) at += 1;
  return at === short.length && (long.startsWith(short) || !/[aeiou]/.test(short.slice(1)));
}

function setLikeness(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return 0;
  const free = [...b];
  let sum = 0;
  for (const word of a) {
    const scored = free.map((other, at) => ({ at, like: wordLikeness(word, other) }));
    const best = scored.reduce((x, y) => (y.like > x.like ? y : x), { at: -1, like: 0 });
    if (best.at === -1) continue;
    sum += best.like;
    free.splice(best.at, 1);
  }
  return (2 * sum) / (a.length + b.length);
}

/**
 * @param context words that either name may repeat without meaning more by it, as the table's in a column's name
 * @returns 0 … 1
 */
export function nameLikeness(a: string, b: string, context: readonly string[] = []): number {
  if (isSpeltAlike(a, b)) return 1;
  const [whole, other] = [wordsOf(a), wordsOf(b)];
  const bare = (words: readonly string[]) => {
    const left = words.filter((word) => !context.some((each) => wordLikeness(word, each) >= 0.95));
    return left.length === 0 ? words : left;
  };
  return Math.max(
    setLikeness(whole, other),
    0.97 * setLikeness(bare(whole), other),
    0.97 * setLikeness(whole, bare(other)),
    0.97 * setLikeness(bare(whole), bare(other)),
  );
}

/** Whether one of the words is in the name, or means what a word in it means. */
export function speaksOf(name: string, ...words: readonly string[]): boolean {
  return wordsOf(name).some((word) => words.some((wanted) => wordLikeness(word, wanted) >= 0.95));
}

/** Whether one of the words is in the name as it is written. */
export function hasWord(name: string, ...words: readonly string[]): boolean {
  return wordsOf(name).some((word) => words.includes(word) || words.includes(singular(word)));
}
