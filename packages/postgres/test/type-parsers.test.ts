import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { type CustomTypesConfig, Pool, types } from 'pg'
import { typeParsers } from '../src/type-parsers.ts'

const times = [
  '2026-11-25 17:43:47.373+00',
  '2026-11-25 17:43:47.373999+00',
  '2026-11-25 17:43:47.0005+00',
  '2026-11-25 17:43:47+00',
  '2026-02-28 23:59:59.999999+00',
  '1969-12-31 23:59:59.999999+00',
  '1899-12-31 00:00:00+00',
  '0099-01-01 00:00:00+00',
  '0001-01-01 00:00:00+00',
  '0044-03-15 12:00:00+00 BC',
  '9999-12-31 23:59:59.999999+00',
  '10000-01-01 00:00:00+00',
  '275760-09-11 00:00:00+00',
  'infinity',
  '-infinity',
]

const zones = ['UTC', 'Europe/Berlin', 'Asia/Kolkata', 'America/St_Johns', 'Pacific/Chatham']

/** Reads the times in a session with the given time zone. */
const readTimes = async (url: string, zone: string, parsers?: CustomTypesConfig): Promise<unknown[]> => {
  const pool = new Pool({ connectionString: url, max: 1, ...(parsers && { types: parsers }) })
  try {
    await pool.query(`set time zone '${zone}'`)
    const { rows } = await pool.query('select unnest($1::text[])::timestamptz as time', [times])
    return rows.map(({ time }) => time)
  } finally {
    await pool.end()
  }
}

describe('the timestamp parser', { skip: withoutPostgres }, () => {
  for (const zone of zones)
    it(`returns what the driver's parser returns in time zone ${zone}`, async () => {
      await using schema = await ownSchema()
      const byDriver = await readTimes(schema.url, zone)
      assert.equal(byDriver.length, times.length)
      assert.deepEqual(byDriver[0], new Date('2026-11-25T17:43:47.373Z'))
      assert.deepEqual(await readTimes(schema.url, zone, typeParsers), byDriver)
    })

  it('rejects every DateStyle but ISO', () => {
    const parse = typeParsers.getTypeParser(types.builtins.TIMESTAMPTZ, 'text')
    const others = ['03/02/2026 04:05:06.789 UTC', '03.02.2026 04:05:06 UTC', 'Tue 03 Feb 04:05:06 2026 UTC']
    for (const text of [...others, '2026-02-03 04:05:06', '2026-02-03T04:05:06Z', '2026-02-03', '1'])
      assert.throws(() => parse(text), /DateStyle ISO/)
  })
})

describe('the type parsers', () => {
  it('return a bigint as a number if that is exact', () => {
    const parse = typeParsers.getTypeParser(types.builtins.INT8, 'text')
    const texts = ['0', '-7', '9007199254740991', '9007199254740993', '-9223372036854775808']
    assert.deepEqual(texts.map(parse), [
      0,
      -7,
      9_007_199_254_740_991,
      9_007_199_254_740_993n,
      -9_223_372_036_854_775_808n,
    ])
  })

  it('are those of the driver for other types and for the binary format', () => {
    const { TIMESTAMPTZ, INT4, INT8 } = types.builtins
    assert.equal(typeParsers.getTypeParser(INT4, 'text'), types.getTypeParser(INT4))
    for (const type of [TIMESTAMPTZ, INT8])
      assert.equal(typeParsers.getTypeParser(type, 'binary'), types.getTypeParser(type, 'binary'))
  })
})
