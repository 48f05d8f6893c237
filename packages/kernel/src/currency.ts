/**
 * The currencies of ISO 4217 by the decimal places of their amounts, without the codes of funds and metals. `Intl` is no source of
 * it: it has the decimal places in use instead, such as none for HUF.
 */
const codes: Readonly<Record<number, string>> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF',
  2: `AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK
    DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP
    LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD
    RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD
    XCG YER ZAR ZMW ZWG`,
  3: 'BHD IQD JOD KWD LYD OMR TND',
}

const decimalPlaces = new Map(
  Object.entries(codes).flatMap(([places, text]) =>
    text.split(/\s+/).map((code) => [code, Number(places)] as const),
  ),
)

export const defaultCurrency = 'EUR'

const rule = 'must be an ISO 4217 code of a currency with two decimal places, such as EUR or USD'

/** Returns why amounts in whole cents cannot be of this currency, or undefined if they can. */
export const currencyProblem = (code: string): string | undefined => {
  const places = decimalPlaces.get(code)
  if (places === 2) return undefined
  return places === undefined ? rule : `${rule}: ${code} has ${places === 0 ? 'none' : places}`
}
