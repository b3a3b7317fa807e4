import {execa} from 'execa'
import {join} from 'node:path'
import {firstLine} from './faults-server.js'
import {python, pythonFixtures} from './python.js'

/** A real S3 server in a process of its own. */
export type S3Server = {
  readonly origin: string
  /** Makes a bucket; it may exist already. */
  makeBucket(bucket: string): Promise<void>
  /** Stores an object and gives its ETag. */
  put(bucket: string, key: string, content: Uint8Array, access: 'public-read' | 'private'): Promise<string>
  stop(): Promise<void>
}

/** Starts the server; whoever starts it stops it. */
export async function startS3Server(): Promise<S3Server> {
  const server = execa(python, [join(pythonFixtures, 's3_server.py')], {reject: false, stderr: 'ignore'})
  const origin = await firstLine(server.stdout)
  return {
    origin,
    makeBucket: async (bucket) => {
      await request(`${origin}/${bucket}`, {method: 'PUT'})
    },
    put: async (bucket, key, content, access) => {
      const headers = {'x-amz-acl': access}
      const answer = await request(`${origin}/${bucket}/${key}`, {method: 'PUT', body: content, headers})
      return answer.headers.get('etag') ?? ''
    },
    stop: async () => {
      server.stdin.end()
      await server
    },
  }
}

/** What makes boto3 ask this server, as a user who has a key or as nobody. */
export function s3Environment(origin: string, user: 'somebody' | 'nobody'): Record<string, string> {
  return {
    AWS_ENDPOINT_URL_S3: origin,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    ...(user === 'somebody' ? {AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing'} : {}),
  }
}

async function request(url: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(url, init)
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
  return answer
}
