/** Tasks: what a user asks for. Recipes train; models opened from a run sample, are evaluated, inspected and exported. */
export type { Backbone, SequenceSizes } from "./backbone.ts";
export {
  gruBackbone,
  lstmBackbone,
  type RecurrentOptions,
  type RnnOptions,
  rnnBackbone,
} from "./backbones/recurrent.ts";
export {
  gruSequence,
  lstmSequence,
  type RecurrentSequenceOptions,
  type RnnSequenceOptions,
  rnnSequence,
  type SequenceBackbone,
  type TransformerSequenceOptions,
  transformerSequence,
} from "./backbones/sequence.ts";
export { type TransformerOptions, transformerBackbone } from "./backbones/transformer.ts";
export {
  type ComparedGroup,
  type ComparedRun,
  type ComparedSample,
  type CompareOptions,
  type Comparison,
  compareRuns,
} from "./compare/compare.ts";
export { comparisonReport } from "./compare/comparison-report.node.ts";
export { evaluateRun } from "./compare/evaluate-run.ts";
export { type DataDescription, type DescribeOptions, describeData } from "./describe-data.node.ts";
export type { ModelGraph } from "./export/graphs.ts";
export { type GanOptions, ganFamily } from "./families/gan.ts";
export { type VaeOptions, vaeFamily } from "./families/vae.ts";
export type { GivenAudioSampleOptions, TrainingOptions as AudioTrainingOptions } from "./generate-audio/options.ts";
export type { TrainedAudioModel } from "./generate-audio/trained.ts";
export { generateImageRecipe } from "./generate-image/generate-image.ts";
export type {
  ImageFamily,
  ImageObjective,
  ImageSizes,
  InspectedModel,
  InspectionPicture,
  PictureRequest,
  PictureSampler,
  Pictures,
  SamplerSettings,
} from "./generate-image/image-family.ts";
export { type InceptionInput, type InceptionOptions, inceptionFeatures } from "./generate-image/inception-features.ts";
export type { TrainingOptions as ImageTrainingOptions } from "./generate-image/options.ts";
export {
  type ClassifierFacts,
  type FeatureClassifier,
  featureClassifier,
  type PictureFeatures,
  type PictureSet,
} from "./generate-image/picture-features.ts";
export type { MadePicture, TrainedImageModel } from "./generate-image/trained.ts";
export { type GeneratedChunk, type GenerateOptions, generate } from "./language-model/generate.ts";
export type { EvaluateOptions, GivenSampleOptions, InspectOptions, TrainingOptions } from "./language-model/options.ts";
export type { TrainedLanguageModel } from "./language-model/trained.ts";
export { type OptionSpec, optionSpecs, parseOptions } from "./options.ts";
export {
  type EvaluateContext,
  type EvaluateEvent,
  type ExportedFile,
  type ExportFormat,
  exportFormats,
  type Inspection,
  type Measure,
  type NewRun,
  type OpenContext,
  type Options,
  type Preset,
  presetOptions,
  type Recipe,
  type SampleEvent,
  type TokenScore,
  type TrainContext,
  type TrainEvent,
  type TrainedModel,
  type TrainResult,
} from "./recipe.ts";
export { diffusionGenerateImage } from "./recipes/diffusion-generate-image.ts";
export { ganGenerateImage } from "./recipes/gan-generate-image.ts";
export { type GruLanguageModelOptions, gruLanguageModel } from "./recipes/gru-language-model.ts";
export { type LstmLanguageModelOptions, lstmLanguageModel } from "./recipes/lstm-language-model.ts";
export { pixelCnnGenerateImage } from "./recipes/pixelcnn-generate-image.ts";
export { type RnnLanguageModelOptions, rnnLanguageModel } from "./recipes/rnn-language-model.ts";
export { type TransformerLanguageModelOptions, transformerLanguageModel } from "./recipes/transformer-language-model.ts";
export { vaeGenerateImage } from "./recipes/vae-generate-image.ts";
export { waveNetGenerateAudio } from "./recipes/wavenet-generate-audio.ts";
export { findRecipe, openModel, recipeOf, recipes } from "./recipes.ts";
