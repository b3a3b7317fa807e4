import {execa} from 'execa'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {z} from 'zod'
import {python, pythonFixtures} from './python.js'

const helloSchema = z.object({
  port: z.number(),
  size: z.number(),
  sha256: z.record(z.string(), z.string()),
  etag: z.record(z.string(), z.string()),
})
const statsSchema = z.object({
  count: z.record(z.string(), z.number()),
  log: z.array(
    z.object({
      path: z.string(),
      method: z.string(),
      range: z.string().nullable(),
      if_range: z.string().nullable(),
      auth: z.string().nullable(),
    }),
  ),
})

/** A server on loopback that misbehaves as its path says. */
export type FaultsServer = {
  readonly origin: string
  readonly sizeBytes: number
  /** SHA-256 of the two versions of its file. */
  readonly sha256: readonly [string, string]
  url(path: string): URL
  stats(): Promise<z.output<typeof statsSchema>>
  stop(): Promise<void>
}

/** Starts a server process; whoever starts it stops it. */
export async function startFaultsServer(): Promise<FaultsServer> {
  const server = execa(python, [join(pythonFixtures, 'faults_server.py'), '--ttl', '180'], {reject: false})
  const {port, size, sha256} = helloSchema.parse(JSON.parse(await firstLine(server.stdout)))
  const origin = `http://127.0.0.1:${port}`
  return {
    origin,
    sizeBytes: size,
    sha256: [sha256['1'] ?? '', sha256['2'] ?? ''],
    url: (path) => new URL(path, origin),
    stats: async () => statsSchema.parse(await (await fetch(`${origin}/stats`)).json()),
    stop: async () => {
      server.kill()
      await server
    },
  }
}

/** The first line that a program prints, which says that it is ready. */
export async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({input: stream})) return line
  throw new Error('the server printed nothing')
}
