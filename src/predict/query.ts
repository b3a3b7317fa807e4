import {z} from 'zod'
import {DataError, printable, type VilbertError} from '../errors.js'
import {hasLoneSurrogate} from '../formats/text.js'
import type {RankedRegion} from '../model/events.js'

const longestPhrase = 10_000

const querySchema = z.object({
  /** Image id of the data set, or a picture's file. */
  image: z.union([z.int().min(0), z.string().min(1).max(4096)]),
  phrase: z.string(),
  /** Comes back with the answer. */
  id: z.json().optional(),
})

/** What is asked about an image: which of its regions does the phrase mean? */
export type PredictQuery = z.infer<typeof querySchema>

/** The regions that a phrase may mean, best first. */
export type Prediction<Image extends number | string = number | string> = {
  /** As it was asked. */
  readonly image: Image
  /** Image id of the data set; null for a picture that is in none. */
  readonly imageId: number | null
  readonly phrase: string
  /** Size of the image in pixels. */
  readonly width: number
  readonly height: number
  readonly regions: readonly RankedRegion[]
  readonly precision: 'fp32' | 'bf16'
  /** The code that computed it. */
  readonly engine: string
}

/** What became of the query at this place, counted from 0. */
export type BatchAnswer = {readonly index: number; readonly id?: PredictQuery['id']} & (
  | (Prediction & {readonly error?: undefined})
  | {readonly image?: number | string; readonly phrase?: string; readonly error: VilbertError}
)

/**
 * Checks a query from outside.
 * @throws DataError E_QUERY naming the field
 */
export function parseQuery(value: unknown): PredictQuery {
  const parsed = querySchema.safeParse(value)
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path[0]
    throw refused(field === undefined ? 'A query is a JSON object.' : complaints[String(field)])
  }
  const {phrase, id} = parsed.data
  if (phrase.trim() === '') throw refused('The phrase is empty.')
  if (phrase.length > longestPhrase)
    throw refused(`The phrase has ${phrase.length} characters, more than ${longestPhrase}.`)
  if (hasLoneSurrogate(phrase))
    throw refused(`The phrase "${printable(phrase)}" holds half of a character (a lone surrogate).`)
  if (typeof id === 'number' && Number.isInteger(id) && !Number.isSafeInteger(id))
    throw refused('The id is a number too large to be kept exactly; write it as text.')
  return parsed.data
}

const complaints: Readonly<Record<string, string>> = {
  image: 'The query says no image: an image id, or the file of a picture.',
  phrase: 'The query has no phrase.',
  id: 'The id is no JSON value.',
}

function refused(message = 'The query is not what was expected.'): DataError {
  return new DataError(message, {
    code: 'E_QUERY',
    next: 'Ask with an object like {"image": 1042, "phrase": "man in red", "id": "any"}.',
  })
}
