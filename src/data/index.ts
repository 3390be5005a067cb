/** Data: text, picture and sound files, tokenizers, datasets, batches. */
export {
  type AudioBatch,
  type AudioDataset,
  type AudioWindowOptions,
  audioDataset,
  audioWindows,
  consecutiveAudio,
  type EncodedClip,
} from "./audio-dataset.ts";
export {
  type BadFile,
  type Clip,
  encodeWav,
  type ReadAudioOptions,
  readAudio,
  readAudioFile,
} from "./audio-files.node.ts";
export { type AudioSurvey, type SurveyedSound, surveyAudio } from "./audio-survey.node.ts";
export {
  consecutiveWindows,
  epochWindows,
  permute,
  prefetch,
  randomWindows,
  type StreamBatch,
  streamWindows,
  type TokenBatch,
  type WindowOptions,
} from "./batches.ts";
export {
  classifierFolder,
  dataFolder,
  exclusively,
  type FetchedArchive,
  type Receipt,
  readReceipt,
  removeData,
} from "./cache-folder.node.ts";
export {
  catalogue,
  contentOf,
  type DataKind,
  type DataSet,
  type DataSource,
  type DebianPackage,
  dataKinds,
  fetchedBytes,
  findDataSet,
  type KnownArchive,
  type NpmPackage,
  type Preparation,
  sourceText,
  unknownDataSet,
} from "./catalogue.ts";
export { resample } from "./decode-sound.node.ts";
export { type GetOptions, getData, locateData, type NamedData, namedData, type ReadyData } from "./get-data.node.ts";
export type { GetEvent } from "./get-events.ts";
export {
  type ImageBatch,
  type ImageDataset,
  imageBatches,
  imageChunks,
  imageDataset,
  pickImages,
  type SkippedFile,
  splitImages,
} from "./image-dataset.ts";
export { type ImageSourceOptions, imageSizes, readImages, type SizeCount } from "./image-files.node.ts";
export { type BucketBatch, type BucketBatches, type BucketOptions, bucketBatches } from "./length-buckets.ts";
export {
  type FeatureStatistics,
  featureStatistics,
  type MelOptions,
  melDefaults,
  melFeatures,
  melFrames,
  normalizeFeatures,
} from "./mel.ts";
export { decodeMuLaw, encodeMuLaw } from "./mu-law.ts";
export { type FoundData, findNamed, lastingSource } from "./named-data.node.ts";
export { countNgrams, type NgramModel } from "./ngram.ts";
export type { Fit } from "./picture-decoder.node.ts";
export { type DataRecord, readParallel, readRecords, textIn, textOrNothing } from "./records.node.ts";
export { exactResampler } from "./resample.ts";
export { readSeries, type SeriesOptions, seriesOf, type TimeSeries } from "./series.node.ts";
export {
  framesToSay,
  hearSound,
  type ReadSpeechOptions,
  readSpeech,
  type Speech,
  type SpeechRecord,
} from "./speech-records.node.ts";
export { type Split, type SplitOptions, sharedGroups, splitRecords } from "./split-records.ts";
export { spread } from "./spread.ts";
export { type Document, type ReadOptions, readDocuments } from "./text-files.node.ts";
export {
  calendarFeatures,
  calendarWidth,
  type Frequency,
  formatTime,
  frequencies,
  parseTime,
  stepOf,
  type TimeGrid,
  timeFormats,
  timeOf,
  usualSeason,
} from "./time-steps.ts";
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
export { readTranscripts, type Transcript, type TranscriptColumns } from "./transcripts.node.ts";
export { spokenText } from "./transcripts.ts";
