/** Data: text files, tokenizers, token streams, batches. */
export {
  consecutiveWindows,
  epochWindows,
  permute,
  prefetch,
  randomWindows,
  type TokenBatch,
  type WindowOptions,
} from "./batches.ts";
export { type Document, type ReadOptions, readDocuments } from "./text-files.node.ts";
export { encodeTexts, sha256, splitTexts, type TokenDataset, tokenDataset } from "./token-dataset.ts";
export {
  byteTokenizer,
  characterTokenizer,
  endOfTextName,
  type HuggingFaceTokenizerJson,
  streamDecoder,
  type Tokenizer,
  type TokenizerKind,
  tokenizerFromJSON,
} from "./tokenizer.ts";
export { trainBpe } from "./train-bpe.node.ts";
