import {copyFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {z} from 'zod'
import {packageRoot} from '../../src/paths.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {changeJson, damageData, halve, listing, makeWorkplace, type Workplace} from '../helpers/damage.js'

type Command = 'eval' | 'train' | 'predict'

type Case = {
  readonly what: string
  /** @default 'eval' */
  readonly command?: Command
  readonly damage?: (place: Workplace) => Promise<unknown>
  /** Further words of the command line. */
  readonly args?: (place: Workplace) => readonly string[]
  /** Words that the command line is made without. */
  readonly without?: '--config' | '--data-root' | '--from-pretrained'
  /** @default 4 */
  readonly exitCode?: number
  /** What the sentence has to name. */
  readonly names: readonly (string | RegExp)[]
}

const hostile = join(packageRoot, 'test/fixtures/hostile')
const mdb = (lmdb: string): string => join(lmdb, 'data.mdb')

const refsCases: readonly Case[] = [
  {what: 'missing refs', damage: ({refs}) => rm(refs), names: ['refs(unc).p', 'missing']},
  {what: 'empty refs', damage: ({refs}) => writeFile(refs, ''), names: ['refs(unc).p', 'empty']},
  {what: 'truncated refs', damage: ({refs}) => halve(refs), names: ['refs(unc).p', /byte \d+/]},
  {what: 'refs that are text', damage: ({refs}) => writeFile(refs, 'no pickle\n'), names: ['refs(unc).p']},
  {
    what: 'refs that are a dict',
    damage: ({refs}) => copyFile(join(hostile, 'refs/refs_dict_top.p'), refs),
    names: ['refs(unc).p', 'list'],
  },
  {
    what: 'a ref whose id is text',
    damage: ({refs}) => copyFile(join(hostile, 'refs/refs_id_string.p'), refs),
    names: ['refs(unc).p', '_id'],
  },
  {
    what: 'a ref without image_id',
    damage: ({refs}) => copyFile(join(hostile, 'refs/refs_missing_image_id.p'), refs),
    names: ['refs(unc).p', 'image_id'],
  },
  {
    what: 'an empty phrase in the refs',
    damage: ({refs}) => damageData('empty_phrase', refs),
    names: ['refs(unc).p', 'raw', 'empty'],
  },
  {
    what: 'a phrase that is a number',
    damage: ({refs}) => damageData('numeric_phrase', refs),
    names: ['refs(unc).p', 'raw'],
  },
  {
    what: 'a split without refs',
    damage: ({refs}) => damageData('without_split', refs, 'testB'),
    args: () => ['--split', 'testB'],
    names: ['"testB"', 'has no refs'],
  },
  {
    what: 'a training split without refs',
    command: 'train',
    damage: ({refs}) => damageData('without_split', refs, 'train'),
    names: ['"train"', 'has no refs'],
  },
  {what: 'an unknown split', args: () => ['--split', 'testC'], names: ['"testC"']},
  {
    what: 'an unknown data set',
    args: () => ['--dataset', 'flickr'],
    exitCode: 2,
    names: ['--dataset', 'flickr'],
  },
]

const instancesCases: readonly Case[] = [
  {what: 'missing instances', damage: ({instances}) => rm(instances), names: ['instances.json', 'missing']},
  {what: 'empty instances', damage: ({instances}) => writeFile(instances, ''), names: ['instances.json']},
  {
    what: 'truncated instances',
    damage: ({instances}) => halve(instances),
    names: ['instances.json', /byte \d+/],
  },
  {
    what: 'instances that are a list',
    damage: ({instances}) => writeFile(instances, '[]'),
    names: ['instances.json'],
  },
  {
    what: 'a box that is text',
    damage: ({instances}) =>
      changeJson(instances, ({annotations}) =>
        Object.assign((annotations as object[])[0] ?? {}, {bbox: 'left'}),
      ),
    names: ['instances.json', 'bbox'],
  },
  {
    what: 'instances without annotations',
    damage: ({instances}) => changeJson(instances, (value) => delete value['annotations']),
    names: ['instances.json', 'annotations'],
  },
  {
    what: 'an annotation of an image that is not there',
    damage: ({instances}) => changeJson(instances, ({images}) => (images as unknown[]).shift()),
    names: ['image_id', 'instances.json', '1000'],
  },
]

const lmdbCases: readonly Case[] = (['detected', 'annotated'] as const).flatMap((kind) => {
  const command = kind === 'annotated' ? 'train' : 'eval'
  const name = kind === 'annotated' ? 'refcoco+_gt_resnet101' : 'refcoco+_resnet101'
  const file = (place: Workplace): string => mdb(place[kind])
  const cases: Case[] = [
    {what: 'a missing LMDB', damage: (place) => rm(place[kind], {recursive: true}), names: [kind, 'missing']},
    {what: 'an LMDB without data.mdb', damage: (place) => rm(file(place)), names: ['data.mdb', 'missing']},
    {what: 'an empty LMDB', damage: (place) => writeFile(file(place), ''), names: ['data.mdb']},
    {what: 'a truncated LMDB', damage: (place) => halve(file(place)), names: ['data.mdb']},
    {
      what: 'an LMDB that is text',
      damage: (place) => writeFile(file(place), 'no database\n'.repeat(2000)),
      names: ['data.mdb'],
    },
    {
      what: 'a number of boxes that is text',
      damage: (place) => damageData('wrong_field', place[kind], '1035', 'num_boxes'),
      names: ['1035', 'num_boxes'],
    },
    {
      what: 'features that are text',
      damage: (place) => damageData('wrong_field', place[kind], '1035', 'features'),
      names: ['1035', 'features'],
    },
    {
      what: 'an image without features',
      damage: (place) => damageData('without_image', place[kind], '1000'),
      names: ['1000'],
    },
  ]
  return cases.map((one) => ({...one, what: `${one.what} (${kind})`, command, names: [...one.names, name]}))
})

const configCases = all({exitCode: 3}, [
  {what: 'a missing config', damage: ({config}) => rm(config), names: ['model.json', 'does not exist']},
  {what: 'an empty config', damage: ({config}) => writeFile(config, ''), names: ['model.json']},
  {what: 'a truncated config', damage: ({config}) => halve(config), names: ['model.json', 'JSON']},
  {what: 'a config that is a list', damage: ({config}) => writeFile(config, '[1]'), names: ['model.json']},
  {
    what: 'a size that is text',
    damage: ({config}) => changeJson(config, (value) => (value['hidden_size'] = 'wide')),
    names: ['model.json', 'hidden_size'],
  },
  {
    what: 'an unknown key',
    damage: ({config}) => changeJson(config, (value) => (value['hiden_size'] = 16)),
    names: ['model.json', 'hiden_size'],
  },
  {
    what: 'a model for other features',
    command: 'train',
    without: '--from-pretrained',
    damage: ({config}) => changeJson(config, (value) => (value['v_feature_size'] = 1024)),
    names: ['v_feature_size', '1024'],
  },
  {what: 'weights without config or JSON', without: '--config', names: ['start.pdparams', 'JSON']},
  {what: 'no data root', without: '--data-root', names: ['data', '--data-root']},
])

const weightsCases: readonly Case[] = [
  {what: 'missing weights', damage: ({weights}) => rm(weights), names: ['start.pdparams']},
  {what: 'empty weights', damage: ({weights}) => writeFile(weights, ''), names: ['start.pdparams']},
  {
    what: 'truncated weights',
    damage: ({weights}) => halve(weights),
    names: ['start.pdparams', /byte \d+|bytes/],
  },
  {
    what: 'weights that are text',
    damage: ({weights}) => writeFile(weights, 'no pickle\n'),
    names: ['start.pdparams'],
  },
  {
    what: 'weights that are a list',
    damage: ({refs, weights}) => copyFile(refs, weights),
    names: ['start.pdparams'],
  },
  {
    what: 'weights of a model with more layers',
    damage: ({config}) => changeJson(config, (value) => (value['v_num_hidden_layers'] = 4)),
    names: ['start.pdparams', 'lacks', 'bert.encoder.v_layer.3.', /and \d+ more/],
  },
  {
    what: 'weights of a model with fewer layers',
    damage: ({config}) =>
      changeJson(config, (value) => Object.assign(value, {num_hidden_layers: 3, t_biattention_id: [1, 2]})),
    names: ['start.pdparams', 'unknown', 'bert.encoder.layer.3.'],
  },
  {
    what: 'weights of a wider model',
    damage: ({config}) => changeJson(config, (value) => (value['v_intermediate_size'] = 40)),
    names: ['start.pdparams', 'shape', 'is [24, 20], the model wants [24, 40]'],
  },
  {
    what: 'weights of another model, with train',
    command: 'train',
    damage: ({config}) => changeJson(config, (value) => (value['v_intermediate_size'] = 40)),
    names: ['start.pdparams', 'shape'],
  },
  {
    what: 'weights of another model, with predict',
    command: 'predict',
    damage: ({config}) => changeJson(config, (value) => (value['v_intermediate_size'] = 40)),
    names: ['start.pdparams', 'shape'],
  },
]

const placeCases: readonly Case[] = [
  {
    what: 'a data root that does not exist',
    damage: ({dataRoot}) => rm(dataRoot, {recursive: true}),
    names: ['data root', 'does not exist'],
  },
  {
    what: 'a cache folder that cannot be made',
    damage: ({dataRoot}) => writeFile(join(dataRoot, '.vilbert-ts'), ''),
    names: ['.vilbert-ts', 'cannot be written', '--cache-dir'],
  },
  {
    what: 'results into a missing folder',
    args: ({folder}) => ['--results', join(folder, 'none/rows.json')],
    exitCode: 3,
    names: ['none', '--results'],
  },
  {
    what: 'results into a folder',
    args: ({folder}) => ['--results', folder],
    exitCode: 3,
    names: ['--results', 'folder'],
  },
  {
    what: 'an output folder that is a file',
    command: 'train',
    damage: ({folder}) => writeFile(join(folder, 'run'), 'mine'),
    exitCode: 3,
    names: ['run', '--output-dir'],
  },
  {
    what: 'an output folder below a file',
    command: 'train',
    args: ({config}) => ['--output-dir', join(config, 'run')],
    exitCode: 3,
    names: ['model.json', '--output-dir'],
  },
]

const predictCases = all({command: 'predict'}, [
  {what: 'an empty phrase', args: () => ['--phrase', ''], exitCode: 2, names: ['--phrase', 'empty']},
  {what: 'a phrase of blanks', args: () => ['--phrase', '  '], exitCode: 2, names: ['--phrase', 'empty']},
  {
    what: 'an image without features, with predict',
    args: () => ['--image', '4711'],
    names: ['4711', 'refcoco+_resnet101'],
  },
  {what: 'missing refs, with predict', damage: ({refs}) => rm(refs), names: ['refs(unc).p', 'missing']},
])

const failureSchema = z.strictObject({
  error: z.strictObject({
    code: z.string().regex(/^E_[A-Z0-9_]+$/),
    message: z.string(),
    next: z.string().optional(),
    exitCode: z.number(),
    problems: z.array(z.looseObject({message: z.string()})).optional(),
  }),
})

for (const one of [
  ...refsCases,
  ...instancesCases,
  ...lmdbCases,
  ...configCases,
  ...weightsCases,
  ...placeCases,
  ...predictCases,
]) {
  test.serial(`${one.what}: one sentence, the right exit code, nothing left behind`, async (t) => {
    const place = await makeWorkplace(t)
    await one.damage?.(place)
    const folders = one.what.startsWith('a data root') ? [place.folder] : [place.folder, place.dataRoot]
    const before = await listing(...folders)
    const outcome = await runCli(commandLine(place, one))
    const {error} = failureSchema.parse(jsonOf(outcome))
    t.log(`${error.code} ${error.message}${error.next === undefined ? '' : ` → ${error.next}`}`)
    t.is(outcome.stderr, '')
    t.deepEqual([outcome.exitCode, error.exitCode], [one.exitCode ?? 4, one.exitCode ?? 4])
    const said = [error.message, error.next, ...(error.problems ?? []).map(({message}) => message)].join(' ')
    for (const name of one.names)
      t.true(typeof name === 'string' ? said.includes(name) : name.test(said), `${name}`)
    t.regex(error.message, /^(?!Something failed)[^\n]+$/)
    t.false(said.includes('.safetensors'), 'the cache is named instead of its source')
    t.deepEqual(await listing(...folders), before)
  })
}

/** What all cases of a table have in common, for those that do not say otherwise. */
function all(common: Partial<Case>, cases: readonly Case[]): readonly Case[] {
  return cases.map((one) => ({...common, ...one}))
}

/** The command that would work if nothing was damaged. */
function commandLine(place: Workplace, {command = 'eval', args, without}: Case): readonly string[] {
  const {dataRoot, config, weights, folder} = place
  const own = {
    eval: {'--results': join(folder, 'rows.json')},
    train: {'--output-dir': join(folder, 'run'), '--epochs': '1', '--batch-size': '8'},
    predict: {'--image': '1042', '--phrase': 'red giraffe'},
  }[command]
  const further = args?.(place) ?? []
  // A flag of the case takes the place of the same flag of the command that works.
  const words = {'--data-root': dataRoot, '--config': config, '--from-pretrained': weights, ...own}
  const given = Object.entries(words).filter(([flag]) => flag !== without && !further.includes(flag))
  return [command, ...given.flat(), ...further, '--json']
}
