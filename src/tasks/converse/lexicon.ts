/**
 * A weak guess of a sentence's emotion from single words, for dialogues that nobody has labelled.
 *
 * The lists were written for this project: everyday English words of the emotions that Ekman (1992, "An argument for basic emotions")
 * calls basic, disgust counted with anger. A word counts in its regular forms too, not where one of the three words before it denies it
 * ("not happy"); "?!" counts as surprise. The emotion with most words is the sentence's, of equal ones that which
 * comes first; a sentence without such a word is neutral. Irony, and whatever needs more than single words, is missed: figures that
 * rest on these labels say so.
 */
const words = {
  anger: `anger angry mad furious fury rage hate hatred annoy irritate damn damned darn darned hell idiot stupid dumb fool nonsense
    shut disgusting disgust yuck ugly repulsive nasty revolting curse blame rude insult impudent outrage outrageous ridiculous traitor
    revenge liar cheat unfair enemy bother silence scoundrel rascal bastard bloody detest despise awful rubbish quarrel scold stop
    smash kill fight destroy devil stupidity lousy`,
  fear: `fear afraid scare scared scary fright frighten terror terrify terrible horror horrible horrify danger dangerous threat threaten
    careful beware worry anxious anxiety nervous panic dread creepy creep spooky ghost monster harm trap risk nightmare tremble shiver
    suspicious eerie alarm escape flee poison doom hide haunted attack`,
  joy: `joy happy glad delight pleasure wonderful great excellent fantastic marvelous marvellous lovely beautiful nice perfect
    super hurray hooray yippee hurrah haha hahaha laugh smile fun funny love enjoy thank thanks congratulations bravo splendid brilliant
    terrific proud hope lucky luckily fortunately succeed success victory win celebrate cheerful cute amusing amuse pleasant sweet
    welcome relief relieved hug kiss good
    best cool friend friendly yeah cheer glorious pride`,
  sadness: `sad sadness unhappy sorry sorrow cry tears weep grief mourn lonely alone lose lost poor pity unfortunately tragedy tragic
    hopeless despair desperate depressed depressing gloomy miserable disappoint disappointing regret suffer pain painful hurt bore bored
    boring tired die died dead death alas shame unlucky broken helpless useless worse worst fail failure bad lament
    wrong stuck sigh mistake miss gone ruin ruined wreck`,
  surprise: `surprise surprising amaze amazing astonish astonishing wow oh whoa gosh gee strange weird bizarre odd unusual
    incredible unbelievable unexpected sudden suddenly wonder curious peculiar mysterious mystery remarkable extraordinary shock huh oops
    ooops aha heavens miracle unheard really interesting imagine`,
} as const;

type Felt = keyof typeof words;

/** The emotions, in alphabetical order. */
export const lexiconEmotions = ["anger", "fear", "joy", "neutral", "sadness", "surprise"] as const;
export type LexiconEmotion = (typeof lexiconEmotions)[number];

const denials: ReadonlySet<string> = new Set(["not", "no", "never", "nothing", "nobody", "without", "hardly", "cannot"]);
/** Words before one that may deny it. */
const reach = 3;

const felt: ReadonlyMap<string, Felt> = new Map(
  Object.entries(words).flatMap(([emotion, list]) => list.split(/\s+/).map((word) => [word, emotion as Felt] as const)),
);

/** Endings of regular forms, and what the word had in their place. */
const endings: readonly (readonly [RegExp, string])[] = [
  [/(?:s|es|ed|ing|ly|er|est|'s)$/, ""],
  [/(?:ed|ing|er|est)$/, "e"],
  [/i(?:es|ed|ly|er|est)$/, "y"],
  [/([bdgmnprt])\1(?:ed|ing|er|est)$/, "$1"],
  [/(?:es|d)$/, ""],
];

function emotionOf(word: string): Felt | undefined {
  const forms = [word, ...endings.map(([ending, base]) => word.replace(ending, base))];
  return forms.map((form) => felt.get(form)).find((emotion) => emotion !== undefined);
}

/**
 * The emotion of a sentence, by its words.
 *
 * @example lexiconEmotion("What a lovely surprise, thank you!") // "joy"
 */
export function lexiconEmotion(text: string): LexiconEmotion {
  const tokens =
    text
      .toLowerCase()
      .replaceAll("’", "'")
      .match(/[a-z']+|[?!]+/g) ?? [];
  const counts = new Map<Felt, number>();
  tokens.forEach((word, at) => {
    const emotion = /\?!|!\?/.test(word) ? "surprise" : emotionOf(word);
    const denied = tokens.slice(Math.max(0, at - reach), at).some((before) => denials.has(before) || before.endsWith("n't"));
    if (emotion && !denied) counts.set(emotion, (counts.get(emotion) ?? 0) + 1);
  });
  let best: LexiconEmotion = "neutral";
  let most = 0;
  for (const [emotion, count] of counts) if (count > most) [best, most] = [emotion, count];
  return best;
}
