import {z} from 'zod'
import {addRules, integerAt, integersAt, type Rule} from './rules.js'

const size = (description: string) => z.int().min(1).max(65_536).describe(description)
const layers = (description: string) => z.int().min(1).max(256).describe(description)
const heads = (description: string) => z.int().min(1).max(256).describe(description)
const dropout = (description: string) => z.number().min(0).lt(1).describe(description)
const deviation = (description: string) => z.number().positive().max(1).describe(description)
const activation = (description: string) => z.enum(['gelu', 'relu', 'swish']).describe(description)
const layerIds = (description: string) => z.array(z.int().min(0)).min(1).max(256).describe(description)
const fusion = (description: string) => z.enum(['mul', 'sum']).default('mul').describe(description)

/** The keys of the published JSON files, so that `bert_base_6layer_6conect.json` is valid as it is. */
const modelShape = {
  vocab_size: z
    .int()
    .min(1)
    .max(16_777_216)
    .describe('Entries of the vocabulary; bert-base-uncased has 30522.'),
  hidden_size: size('Width of the text stream.'),
  num_hidden_layers: layers('Layers of the text stream.'),
  num_attention_heads: heads('Attention heads of a text layer; they divide hidden_size.'),
  intermediate_size: size('Inner width of a text feed-forward.'),
  hidden_act: activation('Activation of the text stream and of the prediction heads.'),
  hidden_dropout_prob: dropout('Dropout of the text stream and after the embeddings.'),
  attention_probs_dropout_prob: dropout('Dropout of text attention weights.'),
  max_position_embeddings: size('Positions that have an embedding.'),
  type_vocab_size: size('Token types that have an embedding.'),
  initializer_range: deviation('Standard deviation of new weights.'),
  v_feature_size: size('Numbers in the feature of a region.'),
  v_target_size: size('Classes of the image prediction head.'),
  v_hidden_size: size('Width of the image stream.'),
  v_num_hidden_layers: layers('Layers of the image stream.'),
  v_num_attention_heads: heads('Attention heads of an image layer; they divide v_hidden_size.'),
  v_intermediate_size: size('Inner width of an image feed-forward.'),
  v_hidden_act: activation('Activation of the image stream.'),
  v_hidden_dropout_prob: dropout('Dropout of the image stream.'),
  v_attention_probs_dropout_prob: dropout('Dropout of image attention weights.'),
  v_initializer_range: deviation('Standard deviation of new weights of the image stream.'),
  bi_hidden_size: size('Width in which the two streams attend to each other.'),
  bi_num_attention_heads: heads('Heads of a co-attention layer; they divide bi_hidden_size.'),
  bi_intermediate_size: size('Kept for the published files; nothing reads it.'),
  bi_attention_type: z
    .int()
    .min(0)
    .max(1)
    .default(1)
    .describe('Kept for the published files; nothing reads it.'),
  v_biattention_id: layerIds('Image layers before which co-attention happens, ascending.'),
  t_biattention_id: layerIds(
    'Text layers before which co-attention happens, ascending, as many as of the image.',
  ),
  fixed_t_layer: z.int().min(0).default(0).describe('First text layers that learn nothing.'),
  fixed_v_layer: z.int().min(0).default(0).describe('First image layers that learn nothing.'),
  pooling_method: fusion('Kept for the published files; nothing reads it.'),
  fusion_method: fusion('How the pooled streams meet: product or sum.'),
}

/** The model settings one by one. */
export const modelFields = z.strictObject(modelShape)

/** A two-stream ViLBERT: sizes, layers, where the streams meet, dropout. */
export const modelConfigSchema = addRules(modelFields, [
  divides('num_attention_heads', 'hidden_size'),
  divides('v_num_attention_heads', 'v_hidden_size'),
  divides('bi_num_attention_heads', 'bi_hidden_size'),
  ascendsBelow('v_biattention_id', 'v_num_hidden_layers'),
  ascendsBelow('t_biattention_id', 'num_hidden_layers'),
  notAbove('fixed_t_layer', 'num_hidden_layers'),
  notAbove('fixed_v_layer', 'v_num_hidden_layers'),
  pairsUp,
  fitsInMemory,
]).describe('A two-stream ViLBERT: sizes, layers, where the streams meet, dropout.')

/** Section `model` of a configuration: the sizes and rates of a ViLBERT, in the names of the published files. */
export type ModelConfig = z.output<typeof modelConfigSchema>

/** More than this many numbers (16 GiB in fp32) is a slip of the finger, not a ViLBERT. */
const MAX_PARAMETERS = 2 ** 32

/** Counts the numbers of the whole model, all heads included, as in its checkpoint. */
export function parameterCount(config: ModelConfig): number {
  const linear = (from: number, to: number) => (from + 1) * to
  const transformer = (width: number, inner: number) =>
    4 * linear(width, width) + linear(width, inner) + linear(inner, width) + 4 * width
  const {hidden_size: text, v_hidden_size: image, bi_hidden_size: both, vocab_size: words} = config
  const embeddings =
    (words + config.max_position_embeddings + config.type_vocab_size + 2) * text +
    linear(config.v_feature_size, image) +
    linear(5, image) +
    2 * image
  const coAttention = (width: number, inner: number) =>
    3 * linear(width, both) +
    2 * linear(both, width) +
    linear(width, inner) +
    linear(inner, width) +
    4 * width
  const heads =
    linear(text, both) +
    linear(image, both) +
    linear(text, text) +
    2 * text +
    linear(text, words) +
    linear(image, image) +
    2 * image +
    linear(image, config.v_target_size) +
    linear(both, 2) +
    (linear(both, 2 * both) + 1 + linear(2 * both, 1) + 1) +
    linear(both, 1) +
    linear(image, 1) +
    linear(text, 1)
  return (
    embeddings +
    config.num_hidden_layers * transformer(text, config.intermediate_size) +
    config.v_num_hidden_layers * transformer(image, config.v_intermediate_size) +
    config.v_biattention_id.length *
      (coAttention(text, config.intermediate_size) + coAttention(image, config.v_intermediate_size)) +
    heads
  )
}

type ModelKey = keyof typeof modelShape

/** Each head takes an equal share of the width. */
function divides(headsKey: ModelKey, sizeKey: ModelKey): Rule {
  return (config, report) => {
    const count = integerAt(config, headsKey)
    const width = integerAt(config, sizeKey)
    if (count === undefined || width === undefined || count < 1 || width % count === 0) return
    report([headsKey], `must divide ${sizeKey}, but ${width} is not a multiple of ${count}`)
  }
}

/** A layer can be met only once, in order, and only if it exists. */
function ascendsBelow(idsKey: ModelKey, layersKey: ModelKey): Rule {
  return (config, report) => {
    const ids = integersAt(config, idsKey)
    const count = integerAt(config, layersKey)
    if (ids === undefined) return
    if (ids.some((id, index) => index > 0 && id <= (ids[index - 1] ?? -1))) {
      report([idsKey], `must ascend without repetition, it is [${ids.join(', ')}]`)
    }
    const outside = count === undefined ? undefined : ids.find((id) => id >= count)
    if (outside === undefined || count === undefined || count < 1) return
    report([idsKey], `may name layers 0 to ${count - 1} (${layersKey} is ${count}), but it names ${outside}`)
  }
}

/** No more layers can be held fixed than there are. */
function notAbove(fixedKey: ModelKey, layersKey: ModelKey): Rule {
  return (config, report) => {
    const fixed = integerAt(config, fixedKey)
    const count = integerAt(config, layersKey)
    if (fixed === undefined || count === undefined || count < 1 || fixed <= count) return
    report([fixedKey], `must be at most ${layersKey} (${count}), it is ${fixed}`)
  }
}

/** The streams meet in pairs of layers. */
function pairsUp(...[config, report]: Parameters<Rule>): void {
  const image = integersAt(config, 'v_biattention_id')?.length
  const text = integersAt(config, 't_biattention_id')?.length
  if (image === undefined || text === undefined || image === text) return
  report(
    ['v_biattention_id'],
    `must be as long as t_biattention_id, but they have ${image} and ${text} entries`,
  )
}

/** The sizes may each be fine and still ask for a model that no machine holds. */
function fitsInMemory(...[config, report]: Parameters<Rule>): void {
  const parsed = z.object(modelShape).safeParse(config)
  if (!parsed.success) return
  const count = parameterCount(parsed.data)
  if (count <= MAX_PARAMETERS) return
  const largest = (['hidden_size', 'v_hidden_size', 'bi_hidden_size'] as const).reduce((most, key) =>
    parsed.data[key] > parsed.data[most] ? key : most,
  )
  report(
    [largest],
    `makes a model of ${count.toExponential(1)} parameters; at most ${MAX_PARAMETERS} are allowed`,
  )
}
