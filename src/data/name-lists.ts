/**
 * Words by which names are typed without anyone having typed them: written down for this purpose from what is commonly known (usual
 * first names in American English, titles, states and large cities of the time), not taken from another list.
 */
const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));
const lines = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s*[,\n]\s*/));

/** What stands before a person's name. */
export const personTitles = words(`
  Mr. Mrs. Miss Ms. Messrs. Mme. Mlle. Madame Monsieur M. Dr. Doctor Doc Prof. Professor Sir Lady Lord Dame Herr Frau Fraulein Signor
  Signora Senor Don Dona Father Fr. Mother Sister Brother Uncle Aunt Cousin Grandma Grandpa Rev. Reverend Rabbi Pastor Bishop
  Archbishop Cardinal Pope Saint President Premier Prime Chancellor Senator Sen. Rep. Representative Congressman Congresswoman Gov.
  Governor Mayor Judge Justice Sheriff Marshal Deputy Ambassador Secretary Chairman Inspector Detective Captain Capt. Colonel Col.
  Major Maj. General Gen. Lieutenant Lieut. Lt. Sergeant Sgt. Corporal Private Admiral Adm. Commander Cmdr. Coach Superintendent
  King Queen Prince Princess Duke Duchess Count Countess Emperor Baron Master Comrade Director Attorney`);

/** Usual first names. */
export const firstNames = words(`
  Aaron Abe Abel Abraham Adam Ada Adele Adolf Adolph Agnes Al Alan Albert Alec Alex Alexander Alfred Alice Allan Allen Alvin Amy Andrei
  Andrew Andy Angelo Angie Anita Ann Anna Anne Annie Anthony Antonio Archie Arlene Arnold Art Arthur Barbara Barney Barry Bart
  Ben Benjamin Bernard Bert Bertha Bertrand Bess Beth Betsy Betty Bill Billy Blanche Bob Bobbie Bobby Boris Brian Bridget Bruce Burt
  Carl Carla Carol Caroline Carroll Catherine Cathy Cecil Charles Charlie Charlotte Chester Chris Christine Christopher Clara Clarence
  Claire Claude Clyde Conrad Cora Curt Curtis Cynthia Dag Dale Dan Daniel Danny Dave David Dean Deborah Dennis Diane Dick Dickie Dolores
  Don Donald Doris Dorothy Doug Douglas Duncan Dwight Dylan Earl Ed Eddie Edgar Edith Edmund Edna Edward Edwin Edythe Eileen Elaine
  Eleanor Eli Elizabeth Ella Ellen Elmer Elsie Emil Emily Emma Eric Erich Ernest Ernie Ethel Eugene Eugenia Eva Evelyn Felix Fidel
  Florence Floyd Frances Francis Francois Frank Frankie Franklin Franz Fred Freddy Frederick Friedrich Fritz Gary Gavin Gene Geoffrey
  George Gerald Gilbert Gladys Glenn Gloria Gordon Grace Greg Gregory Greta Guy Hal Hank Hannah Hans Harold Harriet Harry Harvey Hazel
  Heinrich Helen Helene Henri Henrietta Henry Herb Herbert Herman Hiram Horace Howard Hubert Hugh Ian Ida Igor Ira Irene Irving Isaac
  Ivan Jack Jackie Jacob Jacques Jake James Jane Janet Jason Jay Jean Jeanne Jeff Jefferson Jeremiah Jerome Jerry Jesse Jess Jessica
  Jessie Jesus Jim Jimmy Joan Joanna Joe Joel Joey Johann John Johnnie Johnny Jonathan Jose Josef Joseph Josephine Joshua Joyce Juan
  Juanita Judith Judy Jules Julia Julian Julie Julius Karl Kate Katherine Kathy Katie Kay Keith Kenneth Kenny Kitty Konrad Larry
  Laura Lawrence Lee Leo Leon Leonard Leonardo Leopold Leroy Leslie Lester Lewis Lillian Linda Lisa Liz Lizzie Lloyd Lois Lou Louis Louise
  Lucille Lucy Ludwig Luis Luther Lydia Lyndon Mabel Mae Maggie Marcel Marcus Margaret Maria Marian Marie Marilyn Mario Marion Marjorie
  Mark Marshall Martha Martin Marty Marvin Mary Matt Matthew Maude Maurice Max Maxwell Mel Melvin Michael Michel Mickey Mike Mildred
  Milton Miriam Mitchell Moritz Morris Mort Moses Murray Myra Myron Nadine Nancy Nat Nathan Nathaniel Neal Ned Nellie Nelson Nicholas Nick
  Nicolas Nikita Noah Nora Norma Norman Oliver Olga Oscar Otto Owen Pablo Pamela Pat Patricia Patrick Patty Paul Paula Pauline Pedro Peggy
  Penny Percy Perry Pete Peter Phil Philip Philippe Phillip Phyllis Pierre Polly Rachel Ralph Randolph Ray Raymond Rebecca Rex Richard Rita
  Rob Robert Roberta Roberto Robin Rod Roger Roland Ron Ronald Ronnie Rosa Rose Ross Roy Rudolf Rudolph Rufus Russ Russell Ruth Sadie Sally
  Sam Samuel Sandra Sandy Sara Sarah Scott Scotty Sean Sergei Seymour Sheldon Sherman Shirley Sidney Sigmund Simon Sol Solomon Sophia Sophie
  Spencer Stanley Stella Stephen Steve Steven Stevie Stuart Sue Susan Susie Sylvia Ted Teddy Terry Thelma Theodore Theresa Thomas Tim
  Timothy Toby Tom Tommy Tony Victor Victoria Vince Vincent Virgil Viola Wallace Wally Walt Walter Warren Wayne Wendell Werner Wilbur Wilhelm
  Will Willard William Willie Willis Winston Woodrow Yuri Yves`);

/** Places that are known by their names. */
export const places = lines(`
  Africa, America, Asia, Europe, Australia, Antarctica, North America, South America, Latin America, Central America, Middle East, Far
  East, Near East, Southeast Asia, United States, United States of America, U.S., U. S., U.S.A., U.S.S.R., USSR, Soviet Union, United
  Kingdom, Great Britain, Britain, England, Scotland, Wales, Ireland, France, Germany, West Germany, East Germany, Italy, Spain, Portugal
  Greece, Turkey, Russia, Poland, Hungary, Czechoslovakia, Austria, Switzerland, Belgium, Holland, Netherlands, Luxembourg, Denmark, Norway
  Sweden, Finland, Iceland, Yugoslavia, Rumania, Romania, Bulgaria, Albania, China, Communist China, Red China, Japan, Korea, South Korea
  North Korea, India, Pakistan, Burma, Laos, Vietnam, Viet Nam, South Viet Nam, South Vietnam, Cambodia, Thailand, Malaya, Indonesia
  Philippines, Formosa, Taiwan, Hong Kong, Tibet, Nepal, Ceylon, Afghanistan, Iran, Iraq, Persia, Israel, Palestine, Jordan, Lebanon, Syria
  Saudi Arabia, Arabia, Egypt, Libya, Algeria, Morocco, Tunisia, Sudan, Ethiopia, Kenya, Uganda, Tanganyika, Ghana, Nigeria, Guinea, Mali
  Senegal, Congo, Katanga, Angola, Rhodesia, South Africa, Canada, Mexico, Cuba, Haiti, Dominican Republic, Puerto Rico, Jamaica, Panama
  Guatemala, Honduras, Nicaragua, Costa Rica, Venezuela, Colombia, Ecuador, Peru, Brazil, Bolivia, Paraguay, Uruguay, Argentina, Chile
  New Zealand, Siberia, Alaska, Alabama, Arizona, Arkansas, California, Colorado, Connecticut, Delaware, Florida, Georgia, Hawaii, Idaho
  Illinois, Indiana, Iowa, Kansas, Kentucky, Louisiana, Maine, Maryland, Massachusetts, Michigan, Minnesota, Mississippi, Missouri, Montana
  Nebraska, Nevada, New Hampshire, New Jersey, New Mexico, New York, North Carolina, North Dakota, Ohio, Oklahoma, Oregon, Pennsylvania
  Rhode Island, South Carolina, South Dakota, Tennessee, Texas, Utah, Vermont, Virginia, Washington, West Virginia, Wisconsin, Wyoming
  New England, Calif., Ill., Mass., Pa., N.Y., N. Y., N.J., N. J., Conn., Va., Tex., D.C., D. C., Washington D.C., Manhattan, Brooklyn
  Bronx, Queens, Harlem, Broadway, Hollywood, Albany, Atlanta, Austin, Baltimore, Baton Rouge, Berkeley, Boston, Buffalo, Cambridge
  Charleston, Chicago, Cincinnati, Cleveland, Columbus, Dallas, Denver, Detroit, El Paso, Fort Worth, Hartford, Honolulu, Houston
  Indianapolis, Kansas City, Las Vegas, Little Rock, Los Angeles, Louisville, Memphis, Miami, Milwaukee, Minneapolis, Mobile, Montgomery
  Montreal, Nashville, New Haven, New Orleans, New York City, Newark, Newport, Oakland, Oklahoma City, Omaha, Philadelphia, Phoenix
  Pittsburgh, Portland, Providence, Richmond, Sacramento, Salem, Salt Lake City, San Antonio, San Diego, San Francisco, Savannah, Seattle
  Springfield, St. Louis, St. Paul, Tampa, Toronto, Amsterdam, Athens, Baghdad, Bangkok, Barcelona, Belgrade, Berlin, West Berlin, East
  Berlin, Bombay, Bonn, Brussels, Budapest, Buenos Aires, Cairo, Calcutta, Casablanca, Copenhagen, Damascus, Dublin, Edinburgh, Florence
  Frankfurt, Geneva, Hamburg, Havana, Helsinki, Hiroshima, Istanbul, Jerusalem, Johannesburg, Leningrad, Leopoldville, Liverpool, London
  Madrid, Manchester, Manila, Melbourne, Milan, Moscow, Munich, Naples, Nice, Oslo, Oxford, Paris, Peking, Prague, Rio de Janeiro, Rome
  Saigon, Seoul, Shanghai, Stockholm, Sydney, Tehran, Tel Aviv, Tokyo, Venice, Versailles, Vienna, Vientiane, Warsaw, Zurich, Alps, Andes
  Rockies, Himalayas, Mediterranean, Atlantic, Pacific, Caribbean, Danube, Hudson, Rhine, Seine, Thames, Volga, Nile, Potomac, Earth, Mars`);

/** What places are called: "Hudson River". */
export const placeHeads = words(`
  Street St. Avenue Ave. Av. Road Rd. Boulevard Blvd. Lane Drive Square Place Highway Turnpike Parkway Bridge River Creek Lake Lakes Bay Sea
  Ocean Gulf Strait Straits Canal Falls Springs Island Islands Isles Peninsula Coast Shore Beach Harbor Port Point Cape Mount Mountain
  Mountains Mt. Hill Hills Valley Canyon Desert Plains Forest Forests Park Gardens Heights County City Town Township Village Province Parish
  Territory Territories Plaza Piazza Via Palazzo Airport Cemetery Harbour`);

/** What places begin with: "Fort Worth". */
export const placeStarts = words("Fort Mount Mt. Cape Lake San Santa Los Las Gulf Port");

/** What organisations are called: "Brown University", "Department of State". */
export const organisationHeads = words(`
  University College School Institute Academy Seminary Company Co. Corporation Corp. Inc. Ltd. Industries Motors Railroad Railway Airlines
  Bank Trust Fund Foundation Association Assn. Society Union League Federation Club Council Committee Commission Board Bureau Agency Authority
  Administration Department Dept. Ministry Office Division Service Court Congress Senate Legislature Parliament Assembly House Cabinet
  Government Treasury Army Navy Marines Corps Guard Force Forces Police Party Church Churches Hospital Clinic Museum Library Orchestra
  Symphony Ballet Opera Theater Theatre Press Times Tribune Journal Herald Post News Magazine Review Yankees Giants Dodgers Braves Tigers
  Orioles Athletics Colts Rangers Sox Nations Organization Conference Chamber Alliance Group Brothers Bros. Sons Laboratories Laboratory
  Stores Hotel U.N. UN NATO SEATO AP UPI AFL-CIO CIA FBI NAACP`);
