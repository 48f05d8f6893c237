import type { Model } from '@shop/testing/history/history.ts'
import type { BasketInput, BasketOutput } from './basket-operation.ts'

export type BasketState = Readonly<{ text: string }>

/** The stock of each product that exists, which must not change during a run. */
type Stock = ReadonlyMap<number, number>

/** The basket of one user, from before it exists, as the contract describes it. */
export const basketModel = (_stock: Stock): Model<BasketState, BasketInput, BasketOutput> => {
  throw new Error('not yet')
}

/** A request in one line, for reports. */
export const inputText = (_input: BasketInput): string => ''

/** An answer in one line, for reports. */
export const outputText = (_output: BasketOutput): string => ''
