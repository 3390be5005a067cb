/** How rows of the quiz game's files are put into English: questions, and a sentence that states the facts of a row. */

export interface QuizTemplate {
  /** What the file is about. */
  readonly category: string;
  /** States a row: `{0}` is its first field, `{a 1}` the second with "a" or "an". */
  readonly fact: string;
  /** Questions, and the field that answers each. */
  readonly questions: readonly (readonly [question: string, answer: number])[];
  /** Fields without capital letters whose words are names. */
  readonly names?: readonly number[];
}

const capitals = (where: string): QuizTemplate => ({
  category: `capitals of ${where}`,
  fact: "The capital of {0} is {1}.",
  questions: [
    ["What is the capital of {0}?", 1],
    ["{1} is the capital of which country or territory?", 0],
  ],
});

/** By the names of files. Sums, sequences, spelling and commands of editors are no facts to be read: they are left out. */
export const quizTemplates: Readonly<Record<string, QuizTemplate>> = {
  africa: capitals("Africa"),
  america: capitals("America"),
  asia: capitals("Asia"),
  europe: capitals("Europe"),
  province: { ...capitals("Canada's provinces"), questions: [["What is the capital of {0}?", 1]] },
  state: {
    category: "states of the USA",
    fact: "{0}, abbreviated {2}, has the capital {1} and the {3} as its flower.",
    questions: [
      ["What is the capital of {0}?", 1],
      ["How is {0} abbreviated?", 2],
      ["What is the flower of {0}?", 3],
      ["Of which state is {1} the capital?", 0],
    ],
  },
  areas: {
    category: "area codes of North America",
    fact: "The area code {0} belongs to {1}, with the city of {2}.",
    questions: [
      ["Which region has the area code {0}?", 1],
      ["Which city has the area code {0}?", 2],
    ],
    names: [1, 2],
  },
  babies: {
    category: "young animals",
    fact: "The young of the {1} is called {a 0}.",
    questions: [
      ["What is the young of the {1} called?", 0],
      ["Which animal's young is called {a 0}?", 1],
    ],
  },
  bard: {
    category: "Shakespeare",
    fact: "In {2}, {3} says: “{0}” — “{1}”",
    questions: [
      ["Which words follow “{0}” in Shakespeare's works?", 1],
      ["In which work of Shakespeare's is the line “{0}”?", 2],
      ["Which of Shakespeare's characters says “{0}”?", 3],
    ],
  },
  poetry: {
    category: "poetry",
    fact: "{3} wrote in {2}: “{0}” — “{1}”",
    questions: [
      ["Which line follows “{0}”?", 1],
      ["In which poem is the line “{0}”?", 2],
      ["Who wrote the line “{0}”?", 3],
    ],
  },
  chinese: {
    category: "the Chinese calendar",
    fact: "The year of the {0} is followed by that of the {1}.",
    questions: [["Which animal's year comes after that of the {0} in the Chinese calendar?", 1]],
  },
  collectives: {
    category: "collective nouns",
    fact: "A group of {0} is called {a 1}.",
    questions: [["What is a group of {0} called?", 1]],
  },
  elements: {
    category: "chemical elements",
    fact: "{3} has the symbol {0}, the atomic number {1} and the atomic weight {2}.",
    questions: [
      ["What is the symbol of {3}?", 0],
      ["Which element has the symbol {0}?", 3],
      ["What is the atomic number of {3}?", 1],
      ["What is the atomic weight of {3}?", 2],
      ["Which element has the atomic number {1}?", 3],
    ],
  },
  flowers: {
    category: "the language of flowers",
    fact: "In the language of flowers {0} means: {1}.",
    questions: [["What does {0} mean in the language of flowers?", 1]],
  },
  inca: {
    category: "rulers of the Incas",
    fact: "{0} was succeeded by {1}.",
    questions: [
      ["Who succeeded {0} as ruler of the Incas?", 1],
      ["Whom did {1} succeed as ruler of the Incas?", 0],
    ],
    names: [0, 1],
  },
  latin: {
    category: "Latin words",
    fact: "In Latin “{0}” means “{1}”.",
    questions: [["What does “{0}” mean in Latin?", 1]],
  },
  locomotive: {
    category: "steam locomotives",
    fact: "A locomotive with the wheel arrangement {0} is called {1}.",
    questions: [["What is a locomotive with the wheel arrangement {0} called?", 1]],
  },
  midearth: {
    category: "Tolkien's Middle-earth",
    fact: "The chief place of {0} is {1}.",
    questions: [["What is the capital of {0} in Middle-earth?", 1]],
  },
  morse: {
    category: "the Morse code",
    fact: "In Morse code {0} is written {1}.",
    questions: [["How is {0} written in Morse code?", 1]],
  },
  murders: {
    category: "killers and their victims",
    fact: "{0} is said to have been killed by {1}.",
    questions: [["Who or what is said to have killed {0}?", 1]],
  },
  posneg: {
    category: "opposites",
    fact: "The opposite of “{0}” is “{1}”.",
    questions: [["What is the opposite of “{0}”?", 1]],
  },
  pres: {
    category: "presidents of the USA",
    fact: "{0} was president in {1}, with {2} as vice president, and was followed by {3}.",
    questions: [
      ["When was {0} president of the United States?", 1],
      ["Who was vice president under {0}?", 2],
      ["Who followed {0} as president of the United States?", 3],
    ],
  },
  sexes: {
    category: "words for male and female",
    fact: "The female counterpart of “{0}” is “{1}”.",
    questions: [
      ["What is the female counterpart of “{0}”?", 1],
      ["What is the male counterpart of “{1}”?", 0],
    ],
  },
  sov: {
    category: "sovereigns of England",
    fact: "{0} came to the throne in century {1} and was succeeded by {2}.",
    questions: [
      ["In which century did {0} come to the throne of England?", 1],
      ["Who succeeded {0} on the throne of England?", 2],
      ["Whom did {2} succeed on the throne of England?", 0],
    ],
  },
  trek: {
    category: "Star Trek",
    fact: "In Star Trek, {0}: {1}.",
    questions: [["In Star Trek, what is the {0}?", 1]],
  },
  ucc: {
    category: "the Uniform Commercial Code",
    fact: "Section {0} of the Uniform Commercial Code is about {1}.",
    questions: [
      ["What is section {0} of the Uniform Commercial Code about?", 1],
      ["Which section of the Uniform Commercial Code is about {1}?", 0],
    ],
  },
};
