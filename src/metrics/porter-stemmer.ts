/**
 * Porter's stemmer for English (Porter 1980, "An algorithm for suffix stripping") with the changes of NLTK, which is what
 * google-research's ROUGE stems with: "dying" and "skies" by a list, y to i only after a consonant, "ies" and "ied" of four letters.
 *
 * A word is [C](VC)^m[V], C a run of consonants and V of vowels; m, its measure, says whether enough is left without a suffix.
 */

const irregular: ReadonlyMap<string, string> = new Map([
  ["skies", "sky"],
  ["sky", "sky"],
  ["dying", "die"],
  ["lying", "lie"],
  ["tying", "tie"],
  ["news", "news"],
  ["innings", "inning"],
  ["inning", "inning"],
  ["outings", "outing"],
  ["outing", "outing"],
  ["cannings", "canning"],
  ["canning", "canning"],
  ["howe", "howe"],
  ["proceed", "proceed"],
  ["exceed", "exceed"],
  ["succeed", "succeed"],
]);

/** What to look for at a word's end, what to put there, and whether the stem before it allows that. The first that is found decides. */
type Rule = readonly [suffix: string, replacement: string, allows?: (stem: string) => boolean];

const somethingLeft = (stem: string) => measure(stem) > 0;
const muchLeft = (stem: string) => measure(stem) > 1;

const plurals: readonly Rule[] = [
  ["sses", "ss"],
  ["ies", "i"],
  ["ss", "ss"],
  ["s", ""],
];

const longSuffixes = (
  [
    ["ational", "ate"],
    ["tional", "tion"],
    ["enci", "ence"],
    ["anci", "ance"],
    ["izer", "ize"],
    ["bli", "ble"],
    ["alli", "al"],
    ["entli", "ent"],
    ["eli", "e"],
    ["ousli", "ous"],
    ["ization", "ize"],
    ["ation", "ate"],
    ["ator", "ate"],
    ["alism", "al"],
    ["iveness", "ive"],
    ["fulness", "ful"],
    ["ousness", "ous"],
    ["aliti", "al"],
    ["iviti", "ive"],
    ["biliti", "ble"],
    ["fulli", "ful"],
    ["logi", "log", (stem) => somethingLeft(`${stem}l`)],
  ] satisfies Rule[]
).map(([suffix, replacement, allows = somethingLeft]): Rule => [suffix, replacement, allows]);

const middleSuffixes: readonly Rule[] = [
  ["icate", "ic", somethingLeft],
  ["ative", "", somethingLeft],
  ["alize", "al", somethingLeft],
  ["iciti", "ic", somethingLeft],
  ["ical", "ic", somethingLeft],
  ["ful", "", somethingLeft],
  ["ness", "", somethingLeft],
];

const lastSuffixes: readonly Rule[] = [
  ...["al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent"].map(
    (suffix): Rule => [suffix, "", muchLeft],
  ),
  ["ion", "", (stem) => muchLeft(stem) && /[st]$/.test(stem)],
  ...["ou", "ism", "ate", "iti", "ous", "ive", "ize"].map((suffix): Rule => [suffix, "", muchLeft]),
];

/**
 * The stem of an English word in lower case.
 *
 * @example porterStem("relational") // "relat"
 */
export function porterStem(word: string): string {
  const known = irregular.get(word);
  if (known !== undefined) return known;
  if (word.length <= 2) return word;
  const singular = word.length === 4 && word.endsWith("ies") ? word.slice(0, -1) : apply(plurals, word);
  const present = withoutTense(singular);
  const ending = apply([["y", "i", (stem) => stem.length > 1 && isConsonant(stem, stem.length - 1)]], present);
  const short = apply(lastSuffixes, apply(middleSuffixes, withoutLongSuffix(ending)));
  const silent = apply([["e", "", (stem) => measure(stem) > 1 || (measure(stem) === 1 && !endsShort(stem))]], short);
  return apply([["ll", "l", (stem) => measure(`${stem}l`) > 1]], silent);
}

function apply(rules: readonly Rule[], word: string): string {
  for (const [suffix, replacement, allows] of rules) {
    if (!word.endsWith(suffix)) continue;
    const stem = word.slice(0, word.length - suffix.length);
    return allows === undefined || allows(stem) ? stem + replacement : word;
  }
  return word;
}

/** Without -ed and -ing; what they had bent is put straight: hopping, hop; filing, file. */
function withoutTense(word: string): string {
  if (word.endsWith("ied")) return word.slice(0, word.length === 4 ? -1 : -2);
  if (word.endsWith("eed")) return measure(word.slice(0, -3)) > 0 ? word.slice(0, -1) : word;
  const suffix = ["ed", "ing"].find((ending) => word.endsWith(ending) && hasVowel(word.slice(0, -ending.length)));
  if (suffix === undefined) return word;
  const stem = word.slice(0, -suffix.length);
  if (/(at|bl|iz)$/.test(stem)) return `${stem}e`;
  const last = stem.length - 1;
  if (last > 0 && stem[last] === stem[last - 1] && isConsonant(stem, last)) return /[lsz]$/.test(stem) ? stem : stem.slice(0, -1);
  return measure(stem) === 1 && endsShort(stem) ? `${stem}e` : stem;
}

function withoutLongSuffix(word: string): string {
  const stem = word.slice(0, -4);
  return word.endsWith("alli") && somethingLeft(stem) ? withoutLongSuffix(`${stem}al`) : apply(longSuffixes, word);
}

/** Letters other than a, e, i, o, u, and y unless a consonant stands before it. */
function isConsonant(word: string, i: number): boolean {
  const letter = word[i] as string;
  if ("aeiou".includes(letter)) return false;
  return letter !== "y" || i === 0 || !isConsonant(word, i - 1);
}

function hasVowel(stem: string): boolean {
  for (let i = 0; i < stem.length; i++) if (!isConsonant(stem, i)) return true;
  return false;
}

/** How often a consonant follows a vowel. */
function measure(stem: string): number {
  let count = 0;
  let vowelBefore = false;
  for (let i = 0; i < stem.length; i++) {
    const consonant = isConsonant(stem, i);
    if (consonant && vowelBefore) count++;
    vowelBefore = !consonant;
  }
  return count;
}

/** Ends in consonant, vowel, consonant, the last not w, x or y; or is a vowel and a consonant. */
function endsShort(word: string): boolean {
  const last = word.length - 1;
  if (last < 1 || !isConsonant(word, last) || isConsonant(word, last - 1)) return false;
  return last === 1 || (isConsonant(word, last - 2) && !/[wxy]$/.test(word));
}
