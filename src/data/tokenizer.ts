/**
 * Tokenizers: text to whole numbers and back.
 *
 * Three kinds, one interface: characters (every code point that occurs in the training text), bytes (any text, 256 tokens)
 * and byte-level BPE as in GPT-2 (any text, frequent byte sequences joined; Sennrich et al. 2016). All are kept as a Hugging
 * Face `tokenizer.json`, so that other tools can read what was trained here, and any byte-level BPE made elsewhere works here.
 *
 * A token is a sequence of bytes: decoding is joining them and reading UTF-8, for every kind.
 */
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { HeptagenError } from "../util/errors.ts";
import { byteOfSymbol, symbolOfByte } from "./byte-symbols.ts";

export type TokenizerKind = "character" | "byte" | "bpe";

export interface Tokenizer {
  readonly kind: TokenizerKind;
  readonly vocabularySize: number;
  /** The UTF-8 bytes of each token. */
  readonly tokenBytes: readonly Uint8Array[];
  /** Separates documents; undefined when the vocabulary has none. */
  readonly endOfText: number | undefined;
  /**
   * @throws HeptagenError `tokenizer/unknown-character` (character tokenizers only) naming the characters and the first place
   */
  encode(text: string): Int32Array;
  /** Bytes that are not UTF-8 (a model may write any) become U+FFFD. */
  decode(tokens: Iterable<number>): string;
  /** Hugging Face's tokenizer.json, as data. */
  toJSON(): HuggingFaceTokenizerJson;
}

/** The parts of a tokenizer.json that are read or written here. */
export interface HuggingFaceTokenizerJson {
  readonly version?: string;
  readonly added_tokens?: readonly { readonly id: number; readonly content: string; readonly special?: boolean }[];
  readonly model: {
    readonly type?: string;
    readonly vocab: Readonly<Record<string, number>>;
    readonly merges?: readonly unknown[];
  };
  readonly [part: string]: unknown;
}

/** The name of the token between documents, as in GPT-2. */
export const endOfTextName = "<|endoftext|>";

/** A tokenizer of the characters (Unicode code points) that occur in `text`, in code point order. */
export function characterTokenizer(text: string): Tokenizer {
  const points = [...new Set(text)].sort((a, b) => (a.codePointAt(0) as number) - (b.codePointAt(0) as number));
  if (points.length === 0) throw new HeptagenError("tokenizer/empty", "characterTokenizer: expected text, got none");
  return fromCharacters(points);
}

function fromCharacters(characters: readonly string[]): Tokenizer {
  const ids = new Map(characters.map((character, id) => [character.codePointAt(0) as number, id]));
  const encoder = new TextEncoder();
  const tokenBytes = characters.map((character) => encoder.encode(character));
  return {
    kind: "character",
    vocabularySize: characters.length,
    tokenBytes,
    endOfText: undefined,
    encode(text) {
      const tokens = new Int32Array(text.length);
      let count = 0;
      for (let i = 0; i < text.length; i++) {
        const point = text.codePointAt(i) as number;
        const id = ids.get(point);
        if (id === undefined) throw unknownCharacters(text, ids);
        tokens[count++] = id;
        if (point > 0xffff) i++;
      }
      return tokens.slice(0, count);
    },
    decode: (tokens) => decodeBytes(tokens, tokenBytes),
    toJSON: () => ({
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: { type: "Fuse" },
      model: { ...plainBpe, vocab: Object.fromEntries(characters.map((character, id) => [character, id])), merges: [] },
    }),
  };
}

/** BPE's other settings, none of which is used. */
const plainBpe = {
  type: "BPE",
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
};

function unknownCharacters(text: string, known: ReadonlyMap<number, number>): HeptagenError {
  const points = [...text];
  const unknown = [...new Set(points.filter((c) => !known.has(c.codePointAt(0) as number)))];
  const first = points.findIndex((c) => !known.has(c.codePointAt(0) as number));
  const shown = unknown
    .slice(0, 10)
    .map((c) => `${JSON.stringify(c)} (U+${(c.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0")})`);
  const more = unknown.length > shown.length ? ` and ${unknown.length - shown.length} more` : "";
  return new HeptagenError(
    "tokenizer/unknown-character",
    `the vocabulary of ${known.size} characters lacks ${shown.join(", ")}${more}, first at character ${first + 1} of the text`,
    {
      facts: { characters: unknown, position: first },
      next: "Leave them out, or train with a byte or bpe tokenizer, which take any text.",
    },
  );
}

/** A tokenizer whose tokens are the 256 bytes of UTF-8. */
export function byteTokenizer(): Tokenizer {
  const tokenBytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  const encoder = new TextEncoder();
  return {
    kind: "byte",
    vocabularySize: 256,
    tokenBytes,
    endOfText: undefined,
    encode: (text) => Int32Array.from(encoder.encode(text)),
    decode: (tokens) => decodeBytes(tokens, tokenBytes),
    toJSON: () =>
      byteLevelJson(Object.fromEntries(tokenBytes.map((_, byte) => [symbolOfByte(byte), byte])), [], { split: false }),
  };
}

/** A tokenizer.json of byte-level BPE: `split` cuts text into words first, as GPT-2 does. */
export function byteLevelJson(
  vocab: Readonly<Record<string, number>>,
  merges: readonly (readonly [string, string])[],
  { split, endOfText }: { readonly split: boolean; readonly endOfText?: number },
): HuggingFaceTokenizerJson {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: endOfText === undefined ? [] : [{ id: endOfText, content: endOfTextName, ...flags }],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: split },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { ...plainBpe, vocab, merges },
  };
}

/**
 * Reads a tokenizer.json.
 *
 * @param source what it was read from, for messages
 * @throws HeptagenError `tokenizer/format` when it is not byte-level BPE nor one written here
 */
export function tokenizerFromJSON(json: unknown, source = "tokenizer.json"): Tokenizer {
  const data = json as HuggingFaceTokenizerJson;
  const vocab = data?.model?.vocab;
  if (!vocab || Array.isArray(vocab) || (data.model.type ?? "BPE") !== "BPE") {
    throw new HeptagenError(
      "tokenizer/format",
      `${source}: expected a Hugging Face tokenizer.json with a BPE model, got ${data?.model?.type ?? "something else"}`,
    );
  }
  const byteLevel = JSON.stringify(data.pre_tokenizer ?? null).includes('"ByteLevel"');
  const symbols = Object.entries(vocab).sort((a, b) => a[1] - b[1]);
  if (!byteLevel) {
    if ((data.model.merges?.length ?? 0) > 0 || symbols.some(([symbol], i) => [...symbol].length !== 1 || vocab[symbol] !== i)) {
      throw new HeptagenError(
        "tokenizer/format",
        `${source}: expected byte-level BPE or a list of characters, got another kind of BPE`,
      );
    }
    return fromCharacters(symbols.map(([symbol]) => symbol));
  }
  if (symbols.length === 256 && symbols.every(([symbol, id]) => byteOfSymbol(symbol) === id)) return byteTokenizer();
  return byteLevelBpe(data, symbols, source);
}

function byteLevelBpe(
  data: HuggingFaceTokenizerJson,
  symbols: readonly (readonly [string, number])[],
  source: string,
): Tokenizer {
  const added = new Map(data.added_tokens?.map(({ id, content }) => [id, content]));
  const size = Math.max(...symbols.map(([, id]) => id), ...added.keys(), 0) + 1;
  const encoder = new TextEncoder();
  const tokenBytes: Uint8Array[] = Array.from({ length: size }, () => new Uint8Array());
  for (const [symbol, id] of symbols) {
    const special = added.get(id);
    tokenBytes[id] = special === undefined ? Uint8Array.from([...symbol], (c) => byteOfSymbol(c) ?? 63) : encoder.encode(special);
  }
  for (const [id, content] of added) tokenBytes[id] = encoder.encode(content);
  const library = new HuggingFaceTokenizer(data as object, {});
  const end = [...added].find(([, content]) => content === endOfTextName)?.[0];
  return {
    kind: "bpe",
    vocabularySize: size,
    tokenBytes,
    endOfText: end,
    encode(text) {
      const tokens: number[] = [];
      // Long texts go in parts that end between words, where byte-level BPE always cuts.
      for (const part of parts(text)) {
        const { ids } = library.encode(part, { add_special_tokens: false });
        for (const id of ids) tokens.push(id);
      }
      if (tokens.some((id) => id === undefined || id < 0)) {
        throw new HeptagenError(
          "tokenizer/format",
          `${source}: the vocabulary lacks some of the 256 bytes, so the text cannot be written in it`,
        );
      }
      return Int32Array.from(tokens);
    },
    decode: (tokens) => decodeBytes(tokens, tokenBytes),
    toJSON: () => data,
  };
}

/** About this many characters are encoded at once. */
const partLength = 1 << 16;

/** Cuts a text after line breaks that are followed by a character that is no space: words never run across those. */
function* parts(text: string): Generator<string> {
  let start = 0;
  while (text.length - start > partLength) {
    const cut = /\n(?=\S)/g;
    cut.lastIndex = start + partLength;
    const found = cut.exec(text);
    if (!found) break;
    yield text.slice(start, found.index + 1);
    start = found.index + 1;
  }
  yield text.slice(start);
}

function decodeBytes(tokens: Iterable<number>, tokenBytes: readonly Uint8Array[]): string {
  const decoder = streamDecoder(tokenBytes);
  return decoder.push(tokens) + decoder.end();
}

/**
 * Decodes tokens as they come, keeping back bytes of unfinished characters.
 *
 * @example const decoder = streamDecoder(tokenizer.tokenBytes); for (const t of stream) print(decoder.push([t])); print(decoder.end());
 */
export function streamDecoder(tokenBytes: readonly Uint8Array[]): { push(tokens: Iterable<number>): string; end(): string } {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return {
    push(tokens) {
      const pieces = Array.from(tokens, (token) => {
        const bytes = tokenBytes[token];
        if (bytes) return bytes;
        throw new HeptagenError(
          "tokenizer/unknown-token",
          `decode: expected tokens from 0 to ${tokenBytes.length - 1}, got ${token}`,
        );
      });
      const joined = new Uint8Array(pieces.reduce((n, piece) => n + piece.length, 0));
      let at = 0;
      for (const piece of pieces) {
        joined.set(piece, at);
        at += piece.length;
      }
      return decoder.decode(joined, { stream: true });
    },
    end: () => decoder.decode(),
  };
}
