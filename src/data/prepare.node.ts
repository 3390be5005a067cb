/**
 * What is done once with a fetched set: files are put into folders named after their labels, or taken out of formats that only
 * their makers read, so that every set in the cache is something that ordinary readers, and people, understand.
 */
import { promises as fs } from "node:fs";
import { basename, dirname, join } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import type { Preparation } from "./catalogue.ts";
import { prepareFishSpeech, prepareSpokenWords, prepareSynthSamples } from "./prepare-audio.node.ts";
import { prepareBrownNames } from "./prepare-brown-names.node.ts";
import {
  prepareDebianPassages,
  prepareDebianSections,
  prepareDebianSummaries,
  prepareTranslations,
} from "./prepare-descriptions.node.ts";
import { prepareCatFrames, prepareEmoji, prepareLfwSubset, preparePaintings } from "./prepare-images.node.ts";
import { prepareChicagoRidership, prepareFoodReviews } from "./prepare-modeldata.node.ts";
import { preparePixelFaces } from "./prepare-pixel-faces.node.ts";
import { prepareFaqQuestions, prepareQuizQuestions } from "./prepare-questions.node.ts";
import { prepareReferencePairs } from "./prepare-reference.node.ts";
import { prepareSyntheticSpeech } from "./prepare-synthetic-speech.node.ts";
import {
  prepareBrownCorpus,
  prepareChineseFortunes,
  prepareDebianFaq,
  prepareFishDialogues,
  prepareFishReplies,
} from "./prepare-text.node.ts";

/**
 * @param from where each package of the source was unpacked
 * @param to the folder of the set
 * @param report tells how far it is, where that takes minutes
 */
export type Prepare = (
  from: readonly string[],
  to: string,
  report?: (done: number, total: number, unit: string) => void,
) => Promise<void>;

export const preparations: Readonly<Record<Preparation, Prepare>> = {
  emoji: prepareEmoji,
  "pixel-faces": preparePixelFaces,
  "lfw-subset": prepareLfwSubset,
  paintings: preparePaintings,
  "cat-frames": prepareCatFrames,
  "synth-samples": prepareSynthSamples,
  "spoken-words": prepareSpokenWords,
  "fish-speech": prepareFishSpeech,
  "fish-dialogues": prepareFishDialogues,
  "chinese-fortunes": prepareChineseFortunes,
  "brown-corpus": prepareBrownCorpus,
  "debian-faq": prepareDebianFaq,
  "food-reviews": prepareFoodReviews,
  "chicago-ridership": prepareChicagoRidership,
  "debian-en-fr": prepareTranslations("fr"),
  "debian-en-de": prepareTranslations("de"),
  "debian-en-zh": prepareTranslations("zh_CN"),
  "debian-sections": prepareDebianSections,
  "debian-summaries": prepareDebianSummaries,
  "debian-passages": prepareDebianPassages,
  "debian-reference-en-zh": prepareReferencePairs,
  "brown-names": prepareBrownNames,
  "fish-replies": prepareFishReplies,
  "quiz-questions": prepareQuizQuestions,
  "debian-faq-questions": prepareFaqQuestions,
  "synthetic-speech": prepareSyntheticSpeech,
};

/**
 * Keeps files and folders of a source as they are.
 *
 * @throws HeptagenError `data/layout` when one is not there
 */
export async function keep(paths: readonly string[], from: readonly string[], to: string): Promise<void> {
  for (const path of paths) {
    let found = 0;
    for (const folder of from) {
      if (!(await fs.stat(join(folder, path)).catch(() => undefined))) continue;
      found++;
      await fs.cp(join(folder, path), join(to, path), { recursive: true, verbatimSymlinks: true });
    }
    if (found === 0) {
      throw new HeptagenError("data/layout", `expected ${path} in what was fetched, and it is not there`, {
        next: "This version of the package differs from the one that Heptagen knows: please report it.",
      });
    }
  }
}

/** Copies what says under which terms a package, or a set, stands into `licences/`. */
export async function keepLicences(from: readonly string[], to: string): Promise<void> {
  for (const folder of from) {
    for (const name of await fs.readdir(join(folder, "licences")).catch(() => []))
      await copyIf(join(folder, "licences", name), join(to, "licences", name));
    const documents = await fs.readdir(join(folder, "usr/share/doc")).catch(() => []);
    for (const name of documents)
      await copyIf(join(folder, "usr/share/doc", name, "copyright"), join(to, "licences", `${name}.txt`));
    for (const name of await fs.readdir(folder)) {
      if (!/^(licen[cs]e|notice|readme|provenance)(\.\w+)?$/i.test(name)) continue;
      const place = from.length > 1 ? `${basename(folder)}-${name}` : name;
      await copyIf(join(folder, name), join(to, "licences", place));
    }
  }
}

async function copyIf(file: string, target: string): Promise<void> {
  if (!(await fs.stat(file).catch(() => undefined))?.isFile()) return;
  await fs.mkdir(dirname(target), { recursive: true });
  await fs.copyFile(file, target);
}
