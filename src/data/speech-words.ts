/** What is said in the set of synthesised words, and by whom. */

const list = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Numbers, letters, the phonetic alphabet, commands, times, and everyday words: 200, no two of which sound alike. */
export const spokenWords: readonly string[] = list(`
  zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
  twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million first second third
  a b c d e f g h i j k l m n o p q r s t u v w x y z
  alpha bravo charlie delta echo foxtrot golf hotel india kilo lima oscar papa quebec romeo sierra tango uniform victor whiskey yankee zulu
  yes no on off up down left right go stop start open close play pause next back forward backward follow help call cancel repeat record
  enter delete save send check print search show please thanks hello goodbye okay wait louder quieter volume password number pound star plus
  minus dot dash slash
  monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october november
  december today tomorrow yesterday morning evening
  bed bird cat dog happy house tree water light music door time day night man woman child friend food table window red green blue black
  white big small good school fourth fifth learn visual wow message operator extension connect north south east west`);

/** How letters are spelled out, where a program would take them for words. */
export const spokenLetters: Readonly<Record<string, string>> = { a: "ay", i: "eye", o: "oh" };

export type Split = "train" | "validation" | "test";

/** A voice of eSpeak NG: a language, a variant, how high (0 to 99) and how fast (words a minute) it speaks. */
export interface FormantVoice {
  readonly name: string;
  readonly pitch: number;
  readonly rate: number;
  readonly split: Split;
}

/** A voice of Flite, recorded from one person; in training also higher, lower and of another speed than that person speaks. */
export interface RecordedVoice {
  readonly name: string;
  readonly person: string;
  /** Mean pitch in Hz; the person's own unless set. */
  readonly pitch?: number;
  /** Length of what is said, times the person's own. */
  readonly stretch?: number;
  readonly split: Split;
}

const manners: Readonly<Record<string, Pick<RecordedVoice, "pitch" | "stretch">>> = {
  "": {},
  "-high": { pitch: 220, stretch: 0.85 },
  "-low": { pitch: 100, stretch: 1.2 },
  "-middle": { pitch: 150, stretch: 1.05 },
  "-quick": { pitch: 120, stretch: 0.9 },
  "-slow": { pitch: 180, stretch: 1.15 },
  "-deep": { pitch: 90, stretch: 1 },
  "-bright": { pitch: 250, stretch: 1 },
  "-drawling": { pitch: 130, stretch: 1.3 },
  "-hasty": { pitch: 200, stretch: 0.75 },
};

/** Voices of Flite: three people train, in ten manners each, and one is held out. */
export const recordedVoices: readonly RecordedVoice[] = [
  ...["slt", "awb", "kal16"].flatMap((person) =>
    Object.entries(manners).map(([manner, how]) => ({ name: `${person}${manner}`, person, ...how, split: "train" as const })),
  ),
  { name: "rms", person: "rms", split: "test" },
];

const variants: Readonly<Record<Split, string>> = {
  train: `en-us en-us+f1 en-us+f2 en-us+m1 en-us+m3 en-us+klatt2 en-us+Alex en-us+Andrea en-us+Gene en-us+Lee en-us+Mario en-us+Michael
    en-us+adam en-us+anika en-us+belinda en-us+david en-us+linda en-us+marcelo en-us+steph en-us+zac en-gb en-gb+f3 en-gb+m2
    en-gb-x-rp+Alicia en-gb-x-gbclan+Denis en-us-nyc+paul en-029+pablo en-us+m4 en-gb+m6 en-us+m8 en-us+Andy en-gb-x-rp+Diogo en-us+Gene2
    en-029+Henrique en-us+Jacky en-gb-scotland+Marco en-us+Mike en-us-nyc+Nguyen en-us+Reed en-gb+RicishayMax en-us+Storm en-us+announcer
    en-029+antonio en-gb+aunty en-us+benjamin en-gb-x-gbclan+boris en-us+caleb en-us+ed en-gb+edward en-gb-x-gbcwmd+grandma en-us+grandpa
    en-gb-scotland+gustave en-us+ian en-us-nyc+iven en-us+klatt en-gb+klatt3 en-us+max en-gb-x-rp+michel en-029+miguel en-us+norbert
    en-us+pedro en-gb+quincy en-us+robert en-us-nyc+sandro en-us+travis en-gb-x-gbcwmd+victor`,
  validation: "en-us+f4 en-us+m5 en-gb+Hugo",
  test: "en-us+f5 en-us+m7 en-us+klatt4 en-gb-scotland+john en-us+shelby en-gb-x-gbcwmd+Annie",
};

/** Voices of eSpeak NG: pitch and rate follow from their places in the list, so that each speaks at its own. */
export const formantVoices: readonly FormantVoice[] = (["train", "validation", "test"] as const).flatMap((split) =>
  list(variants[split]).map((name, i) => ({ name, split, pitch: 30 + ((i * 17) % 41), rate: 140 + ((i * 23) % 61) })),
);
