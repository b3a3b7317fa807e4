import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import {ConfigError, DataError, printable} from '../../errors.js'
import {packageRoot} from '../../paths.js'
import {nameProblem} from './unpack/entry-names.js'

/** What a source can be: the parts of a data set that are fetched one by one. */
export const sourceKinds = ['annotations', 'features', 'images', 'weights'] as const
/** What a source is for. */
export type SourceKind = (typeof sourceKinds)[number]

const relativePath = z
  .string()
  .refine((path) => nameProblem(path) === undefined, 'must be a plain path below the data root')
const sizeBytes = z.number().int().positive()
const schemes = ['https:', 'http:', 's3:', 'file:']

/** How an archive is unpacked. */
export const archiveSchema = z.strictObject({
  into: relativePath.optional().describe('Folder below the data root that the archive is a picture of.'),
  aboutBytes: sizeBytes.optional().describe('Rough size when unpacked.'),
  maxBytes: sizeBytes.optional(),
  maxFiles: z.number().int().positive().optional(),
  maxRatio: z.number().positive().optional(),
})

/** One source, in `data/sources.json`, in own files of sources and in the `sources` of a configuration. */
export const sourceSchema = z
  .strictObject({
    id: z
      .string()
      .regex(
        /^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$/,
        'must be a name of at most 100 letters, digits, dots, dashes, underscores and plus signs',
      ),
    datasets: z.array(z.string().min(1)).min(1).describe('Data sets that it belongs to.'),
    kind: z.enum(sourceKinds),
    purpose: z.string().min(1).describe('What it is for, in one sentence.'),
    licence: z.string().min(1),
    home: z.string().optional().describe('Page that documents it.'),
    note: z.string().optional().describe('What one has to know before fetching it.'),
    urls: z
      .array(
        z.url().refine((url) => schemes.includes(new URL(url).protocol), 'must be https, http, s3 or file'),
      )
      .describe('Mirrors of the same bytes, the first that works is taken.'),
    sizeBytes: sizeBytes.optional().describe('Exact size of the file at the URLs.'),
    aboutBytes: sizeBytes.optional().describe('Rough size, where the exact one is not known.'),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits')
      .optional()
      .describe('Of the file at the URLs; learned with the first download where it is not known.'),
    fileName: relativePath.optional().describe('Name of an archive; a plain file has that of `provides`.'),
    archive: archiveSchema.optional().describe('Given for a zip, tar or tar.gz that is to be unpacked.'),
    provides: z.array(relativePath).min(1).describe('Files and folders that it puts below the data root.'),
  })
  .superRefine((source, context) => {
    if (source.archive === undefined && source.provides.length > 1)
      context.addIssue({
        code: 'custom',
        path: ['provides'],
        message: 'must be one path unless it is unpacked',
      })
    if (source.archive !== undefined && source.fileName === undefined)
      context.addIssue({code: 'custom', path: ['fileName'], message: 'must name the archive'})
    const into = source.archive?.into
    if (into !== undefined && !source.provides.every((path) => path.startsWith(`${into}/`)))
      context.addIssue({code: 'custom', path: ['provides'], message: `must lie in ${into}`})
  })

/** The form of `data/sources.json` and of own files of sources. */
export const sourcesSchema = z.strictObject({
  schema: z.literal('vilbert-ts/sources@1'),
  sources: z.array(sourceSchema),
})

/** A file that can be fetched, and what it puts below the data root. */
export type Source = z.output<typeof sourceSchema>

/** The registry that comes with the package. */
export const builtInSourcesFile = join(packageRoot, 'data', 'sources.json')

/**
 * Reads the built-in registry, those of a configuration and a file of the user's own: of entries with the same id the
 * last one counts.
 * @throws ConfigError E_SOURCES saying which field of which file is wrong
 */
export async function loadSources(
  ownFile?: string,
  configured: readonly Source[] = [],
): Promise<readonly Source[]> {
  const builtIn = await readSources(builtInSourcesFile)
  const own = ownFile === undefined ? [] : await readSources(ownFile)
  return [...new Map([...builtIn, ...configured, ...own].map((source) => [source.id, source])).values()]
}

/**
 * The sources of some data sets.
 * @throws DataError E_DATASET listing the known names
 */
export function selectSources(
  sources: readonly Source[],
  datasets: readonly string[],
  kinds: readonly SourceKind[] = sourceKinds,
): readonly Source[] {
  const known = [...new Set(sources.flatMap((source) => source.datasets))]
  const unknown = datasets.find((dataset) => !known.includes(dataset))
  if (unknown !== undefined) {
    throw new DataError(`The data set "${printable(unknown)}" is not known.`, {
      code: 'E_DATASET',
      next: `Known are ${known.join(', ')}; --sources or the sources of --config add own ones.`,
    })
  }
  return sources.filter(
    (source) => kinds.includes(source.kind) && source.datasets.some((name) => datasets.includes(name)),
  )
}

async function readSources(file: string): Promise<readonly Source[]> {
  const shown = printable(file, 300)
  let value: unknown
  try {
    value = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    const what = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read'
    throw new ConfigError(`The file of sources ${shown} ${what}.`, {code: 'E_SOURCES', cause: error})
  }
  const parsed = sourcesSchema.safeParse(value)
  if (parsed.success) return parsed.data.sources
  const [issue] = parsed.error.issues
  const place = issue?.path.join('.') ?? ''
  throw new ConfigError(
    `The file of sources ${shown} is wrong at ${printable(place === '' ? 'its top' : place, 200)}: ${printable(issue?.message ?? '', 200)}.`,
    {code: 'E_SOURCES', next: `${builtInSourcesFile} shows the form.`},
  )
}
