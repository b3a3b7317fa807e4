import {z} from 'zod'
import {
  healthSchema,
  imageDetailsSchema,
  imageListSchema,
  metricsSchema,
  predictReplySchema,
  predictRequestSchema,
  problemSchema,
  runListSchema,
} from './schemas.js'

/** The schemas that requests are checked with and answers are typed by, under the names of the document. */
const schemas = {
  Health: healthSchema,
  ImageDetails: imageDetailsSchema,
  ImageList: imageListSchema,
  PredictReply: predictReplySchema,
  PredictRequest: predictRequestSchema,
  Problem: problemSchema,
  RunList: runListSchema,
  RunMetrics: metricsSchema,
}

type SchemaName = keyof typeof schemas

/** The OpenAPI 3.1 document of the server. */
export function openApiDocument(version: string): Record<string, unknown> {
  return {
    openapi: '3.1.0',
    info: {title: 'vilbert-ts serve', version, description: 'Referring expressions: phrases to boxes.'},
    paths: {
      '/api/v1/health': {get: operation('How the server is', json('Health'))},
      '/api/v1/runs': {get: operation('The training runs', json('RunList'))},
      '/api/v1/runs/{id}/metrics': {
        get: operation('The curves of a run', json('RunMetrics'), {parameters: [runId], refuses: [404]}),
      },
      '/api/v1/runs/{id}/events': {
        get: operation(
          'Follows a run: server-sent events `lines`, `state` and `reset`',
          {'text/event-stream': {schema: {type: 'string'}}},
          {parameters: [runId, inQuery('from', 'Bytes of the log that are known already')], refuses: [404]},
        ),
      },
      '/api/v1/images': {
        get: operation('Images of the data set', json('ImageList'), {
          parameters: [
            {name: 'split', in: 'query', schema: {type: 'string'}},
            inQuery('offset', 'Images to leave out'),
            inQuery('limit', 'Images to list, at most 100'),
          ],
          refuses: [422],
        }),
      },
      '/api/v1/images/{id}': {
        get: operation(
          'The picture of an image, or what is known of it where JSON is asked for',
          {'image/jpeg': {}, 'image/png': {}, ...json('ImageDetails')},
          {
            parameters: [{name: 'id', in: 'path', required: true, schema: {type: 'integer', minimum: 0}}],
            refuses: [404, 413, 415],
          },
        ),
      },
      '/api/v1/predict': {
        post: {
          ...operation('Which region does the phrase mean?', json('PredictReply'), {
            refuses: [400, 404, 413, 415, 422, 503],
          }),
          requestBody: {required: true, content: json('PredictRequest')},
        },
      },
    },
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, schemaOf(schema)])),
      securitySchemes: {token: {type: 'http', scheme: 'bearer'}},
    },
    // Only a server that was started with --token wants one.
    security: [{}, {token: []}],
  }
}

/** What a client may send is the input of a schema, defaults not filled in yet. */
function schemaOf(schema: z.ZodType): unknown {
  const io = schema === predictRequestSchema ? 'input' : 'output'
  const described = z.toJSONSchema(schema, {io, target: 'draft-2020-12'})
  // OpenAPI 3.1 says itself which JSON Schema it means.
  delete described.$schema
  return described
}

const runId = {name: 'id', in: 'path', required: true, schema: {type: 'string'}}

function inQuery(name: string, description: string): unknown {
  return {name, in: 'query', description, schema: {type: 'integer', minimum: 0}}
}

function json(name: SchemaName): Record<string, unknown> {
  return {'application/json': {schema: {$ref: `#/components/schemas/${name}`}}}
}

const refusals: Readonly<Record<number, string>> = {
  400: 'The body is no JSON',
  401: 'The token is missing or wrong',
  403: 'The Host or Origin header is foreign',
  404: 'There is no such thing',
  413: 'Too large',
  415: 'Another type of content',
  422: 'The request does not fit',
  429: 'Too many requests; Retry-After says when',
  503: 'The model is busy or being restarted; Retry-After says when',
}

function operation(
  summary: string,
  content: Record<string, unknown>,
  more: {readonly parameters?: readonly unknown[]; readonly refuses?: readonly number[]} = {},
): Record<string, unknown> {
  const refused = [401, 403, 429, ...(more.refuses ?? [])].sort((a, b) => a - b)
  return {
    summary,
    ...(more.parameters === undefined ? {} : {parameters: more.parameters}),
    responses: {
      200: {description: 'OK', content},
      ...Object.fromEntries(
        refused.map((status) => [
          status,
          {description: refusals[status] ?? 'Refused', content: json('Problem')},
        ]),
      ),
    },
  }
}
