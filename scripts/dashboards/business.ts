import { dashboard, graph, row, stat } from './panels.ts'
import { rate } from './service.ts'
import { amount, limits, state } from './stat.ts'

const useCases = 'use_case_duration_seconds_count'

export const productsNow = stat(
  'Products',
  'number',
  amount,
  [['sum(max by (stock_band) (shop_products))', 'products']],
  'Products in the catalog.',
)

export const basketsNow = stat(
  'Active baskets',
  'number',
  amount,
  [['max(shop_active_baskets)', 'baskets']],
  'Baskets that have not expired.',
)

export const basketValueNow = stat(
  'Value in baskets',
  'number',
  amount,
  [['max(shop_basket_value)', 'value']],
  'The total of all active baskets, in the currency of the prices.',
)

export const businessDashboard = dashboard(
  'shop-business',
  'Shop: business',
  'The catalog, the baskets, and the items that could not be added.',
  [
    row(
      'Now',
      productsNow,
      stat(
        'Inventory value',
        'number',
        amount,
        [['sum(max by (category) (shop_inventory_value))', 'value']],
        'Price × stock, summed over all products.',
      ),
      basketsNow,
      stat(
        'Items in baskets',
        'number',
        amount,
        [['max(shop_basket_items)', 'items']],
        'The sum of all quantities.',
      ),
      basketValueNow,
    ),
    row(
      'Catalog',
      graph(
        'Products by stock',
        'number',
        [['max by (stock_band) (shop_products)', '{{stock_band}}']],
        'out: no stock, cannot be sold. low: at most ten left.',
      ),
      graph(
        'Inventory value by category',
        'number',
        [['max by (category) (shop_inventory_value)', '{{category}}']],
        'The twenty largest categories, and the sum of all others.',
      ),
      graph(
        'Catalog changes',
        'operations',
        [
          [
            rate(
              'use_case',
              `${useCases}{use_case=~"createProduct|updateProduct|deleteProduct", outcome="ok"}`,
            ),
            '{{use_case}}',
          ],
        ],
        'Products created, updated and deleted.',
      ),
    ),
    row(
      'Baskets',
      graph(
        'Active baskets',
        'number',
        [['max(shop_active_baskets)', 'baskets']],
        'Estimated from a sample when there are many.',
      ),
      graph(
        'Items added',
        'operations',
        [[rate('use_case', `${useCases}{use_case=~"addItems?", outcome="ok"}`), 'added']],
        'Successful adds to baskets. An add of several items counts once.',
      ),
      graph(
        'Items refused, by reason',
        'operations',
        [
          [
            rate('outcome', `${useCases}{use_case=~"addItems?|setQuantity|setQuantities", outcome!="ok"}`),
            '{{outcome}}',
          ],
        ],
        'insufficient_stock: lost sales. unavailable: a failure of ours; see DependencyDown in the runbook.',
      ),
    ),
    row(
      'State of these statistics',
      stat(
        'Readable',
        'number',
        state('yes', 'no'),
        [['min by (statistics) (shop_statistics_up)', '{{statistics}}']],
        'no while they cannot be read; see ShopStatisticsMissing in the runbook.',
      ),
      stat(
        'Age',
        'seconds',
        limits([null, 'green'], [60, 'orange'], [1_800, 'red']),
        [['time() - max by (statistics) (shop_statistics_read_timestamp_seconds)', '{{statistics}}']],
        'Time since the last read. A scrape reads them, at most every 15 seconds.',
      ),
    ),
  ],
)
