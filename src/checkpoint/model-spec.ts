import type {ModelConfig} from '../config/model.js'

/** Names and shapes that a model has. */
export type ModelSpec = ReadonlyMap<string, readonly number[]>

type Size =
  'words' | 'positions' | 'types' | 'text' | 'textInner' | 'image' | 'imageInner' | 'features' | 'classes'
type Dimension = Size | 'both' | 'twiceBoth' | 1 | 2 | 5

/** A row: how a name begins, and the sizes of its numbers. `#` stands for the number of a layer. */
type Row = readonly [name: string, ...shape: readonly Dimension[]]

/** Linear layers as [in, out] weights with a bias: prefix, size in, size out. */
const linears: readonly (readonly [string, Dimension, Dimension])[] = [
  ['bert.v_embeddings.image_embeddings', 'features', 'image'],
  ['bert.v_embeddings.image_location_embeddings', 5, 'image'],
  ['bert.encoder.layer.#.attention.self.query', 'text', 'text'],
  ['bert.encoder.layer.#.attention.self.key', 'text', 'text'],
  ['bert.encoder.layer.#.attention.self.value', 'text', 'text'],
  ['bert.encoder.layer.#.attention.output.dense', 'text', 'text'],
  ['bert.encoder.layer.#.intermediate.dense', 'text', 'textInner'],
  ['bert.encoder.layer.#.output.dense', 'textInner', 'text'],
  ['bert.encoder.v_layer.#.attention.self.query', 'image', 'image'],
  ['bert.encoder.v_layer.#.attention.self.key', 'image', 'image'],
  ['bert.encoder.v_layer.#.attention.self.value', 'image', 'image'],
  ['bert.encoder.v_layer.#.attention.output.dense', 'image', 'image'],
  ['bert.encoder.v_layer.#.intermediate.dense', 'image', 'imageInner'],
  ['bert.encoder.v_layer.#.output.dense', 'imageInner', 'image'],
  ['bert.encoder.c_layer.#.biattention.query1', 'image', 'both'],
  ['bert.encoder.c_layer.#.biattention.key1', 'image', 'both'],
  ['bert.encoder.c_layer.#.biattention.value1', 'image', 'both'],
  ['bert.encoder.c_layer.#.biattention.query2', 'text', 'both'],
  ['bert.encoder.c_layer.#.biattention.key2', 'text', 'both'],
  ['bert.encoder.c_layer.#.biattention.value2', 'text', 'both'],
  ['bert.encoder.c_layer.#.biOutput.dense1', 'both', 'image'],
  ['bert.encoder.c_layer.#.biOutput.q_dense1', 'both', 'image'],
  ['bert.encoder.c_layer.#.biOutput.dense2', 'both', 'text'],
  ['bert.encoder.c_layer.#.biOutput.q_dense2', 'both', 'text'],
  ['bert.encoder.c_layer.#.v_intermediate.dense', 'image', 'imageInner'],
  ['bert.encoder.c_layer.#.v_output.dense', 'imageInner', 'image'],
  ['bert.encoder.c_layer.#.t_intermediate.dense', 'text', 'textInner'],
  ['bert.encoder.c_layer.#.t_output.dense', 'textInner', 'text'],
  ['bert.t_pooler.dense', 'text', 'both'],
  ['bert.v_pooler.dense', 'image', 'both'],
  ['cls.predictions.transform.dense', 'text', 'text'],
  ['cls.predictions.decoder', 'text', 'words'],
  ['cls.bi_seq_relationship', 'both', 2],
  ['cls.imagePredictions.transform.dense', 'image', 'image'],
  ['cls.imagePredictions.decoder', 'image', 'classes'],
  ['vil_logit', 'both', 1],
  ['vision_logit', 'image', 1],
  ['linguisic_logit', 'text', 1], // misspelt in the published code, and so in every checkpoint
]

/** Layer norms, each a weight and a bias. */
const layerNorms: readonly (readonly [string, Dimension])[] = [
  ['bert.embeddings.LayerNorm', 'text'],
  ['bert.v_embeddings.LayerNorm', 'image'],
  ['bert.encoder.layer.#.attention.output.LayerNorm', 'text'],
  ['bert.encoder.layer.#.output.LayerNorm', 'text'],
  ['bert.encoder.v_layer.#.attention.output.LayerNorm', 'image'],
  ['bert.encoder.v_layer.#.output.LayerNorm', 'image'],
  ['bert.encoder.c_layer.#.biOutput.LayerNorm1', 'image'],
  ['bert.encoder.c_layer.#.biOutput.LayerNorm2', 'text'],
  ['bert.encoder.c_layer.#.v_output.LayerNorm', 'image'],
  ['bert.encoder.c_layer.#.t_output.LayerNorm', 'text'],
  ['cls.predictions.transform.LayerNorm', 'text'],
  ['cls.imagePredictions.transform.LayerNorm', 'image'],
]

/** Everything else: embeddings, and the weight-normed head with its scales. */
const others: readonly Row[] = [
  ['bert.embeddings.word_embeddings.weight', 'words', 'text'],
  ['bert.embeddings.position_embeddings.weight', 'positions', 'text'],
  ['bert.embeddings.token_type_embeddings.weight', 'types', 'text'],
  ['vil_prediction.main.0.weight_v', 'both', 'twiceBoth'],
  ['vil_prediction.main.0.weight_g'],
  ['vil_prediction.main.0.bias', 'twiceBoth'],
  ['vil_prediction.main.3.weight_v', 'twiceBoth', 1],
  ['vil_prediction.main.3.weight_g'],
  ['vil_prediction.main.3.bias', 1],
]

const rows: readonly Row[] = [
  ...others,
  ...linears.flatMap(([name, from, to]): Row[] => [
    [`${name}.weight`, from, to],
    [`${name}.bias`, to],
  ]),
  ...layerNorms.flatMap(([name, size]): Row[] => [
    [`${name}.weight`, size],
    [`${name}.bias`, size],
  ]),
]

/** Every tensor that a model of this configuration has. */
export function modelSpec(config: ModelConfig): ModelSpec {
  const sizes: Readonly<Record<Exclude<Dimension, number>, number>> = {
    words: config.vocab_size,
    positions: config.max_position_embeddings,
    types: config.type_vocab_size,
    text: config.hidden_size,
    textInner: config.intermediate_size,
    image: config.v_hidden_size,
    imageInner: config.v_intermediate_size,
    features: config.v_feature_size,
    classes: config.v_target_size,
    both: config.bi_hidden_size,
    twiceBoth: 2 * config.bi_hidden_size,
  }
  const counts: Readonly<Record<string, number>> = {
    '.layer.#': config.num_hidden_layers,
    '.v_layer.#': config.v_num_hidden_layers,
    '.c_layer.#': config.v_biattention_id.length,
  }
  const spec = new Map<string, readonly number[]>()
  for (const [name, ...shape] of rows) {
    const sized = shape.map((dimension) => (typeof dimension === 'number' ? dimension : sizes[dimension]))
    const [stack] = /\.[vc]?_?layer\.#/.exec(name) ?? []
    const count = stack === undefined ? 1 : (counts[stack] ?? 0)
    for (let index = 0; index < count; index++) spec.set(name.replace('#', String(index)), sized)
  }
  return spec
}

/** What can be said of a tensor of any ViLBERT by its name alone: its sizes, null where they depend on the model. */
export function knownShape(name: string): readonly (number | null)[] | undefined {
  return knownShapes.get(name.replace(/(\.[vc]?_?layer\.)\d{1,3}\./, '$1#.'))
}

const knownShapes: ReadonlyMap<string, readonly (number | null)[]> = new Map(
  rows.map(([name, ...shape]) => [
    name,
    shape.map((dimension) => (typeof dimension === 'number' ? dimension : null)),
  ]),
)

/** Every name of {@link knownShape}, with `#` for the number of a layer. */
export const knownNames: readonly string[] = [...knownShapes.keys()]

/** Paddle 2 kept the scale of a weight-normed linear as [1], Paddle 3 as []. */
export function isSameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.join() === b.join() || (isScalar(a) && isScalar(b))
}

function isScalar(shape: readonly number[]): boolean {
  return shape.length === 0 || (shape.length === 1 && shape[0] === 1)
}

/**
 * Beginnings of the names that referring expressions never touch: what follows the last meeting in the text stream,
 * the other heads, and the projections that no head uses. `unused_prefixes` in python/vilbert/model.py has the same.
 */
export function unusedPrefixes(config: ModelConfig): readonly string[] {
  const last = config.v_biattention_id.length - 1
  const met = Array.from({length: last + 1}, (_, index) => `bert.encoder.c_layer.${index}`)
  const lastMet = `bert.encoder.c_layer.${last}`
  const firstAfter = config.t_biattention_id.at(-1) ?? 0
  const after = Array.from(
    {length: config.num_hidden_layers - firstAfter},
    (_, index) => `bert.encoder.layer.${firstAfter + index}.`,
  )
  return [
    ...['bert.t_pooler.', 'bert.v_pooler.', 'cls.', 'vil_prediction.', 'vil_logit.', 'linguisic_logit.'],
    ...met.flatMap((layer) => [`${layer}.biOutput.q_dense1.`, `${layer}.biOutput.q_dense2.`]),
    ...['query2', 'key1', 'value1'].map((part) => `${lastMet}.biattention.${part}.`),
    ...['dense2', 'LayerNorm2'].map((part) => `${lastMet}.biOutput.${part}.`),
    ...['t_intermediate', 't_output'].map((part) => `${lastMet}.${part}.`),
    ...after,
  ]
}
