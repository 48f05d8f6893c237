import { dashboard, graph, row, stat } from './panels.ts'
import { rate } from './service.ts'

const useCases = 'use_case_duration_seconds_count'

export const productsNow = stat(
  'Products',
  'number',
  [['sum(max by (stock_band) (shop_products))', 'products']],
  'In the catalog.',
)

export const basketsNow = stat(
  'Active baskets',
  'number',
  [['max(shop_active_baskets)', 'baskets']],
  'Those that have not expired.',
)

export const basketValueNow = stat(
  'Value in baskets',
  'number',
  [['max(shop_basket_value)', 'value']],
  'In the currency of the prices.',
)

export const businessDashboard = dashboard(
  'shop-business',
  'Shop: business',
  'What is for sale, what is in baskets, and what customers were refused.',
  [
    row(
      'Now',
      productsNow,
      stat(
        'Inventory value',
        'number',
        [['sum(max by (category) (shop_inventory_value))', 'value']],
        'Prices × pieces in stock.',
      ),
      basketsNow,
      stat('Pieces in baskets', 'number', [['max(shop_basket_items)', 'pieces']], 'Of all products.'),
      basketValueNow,
    ),
    row(
      'Catalog',
      graph(
        'Products by stock',
        'number',
        [['max by (stock_band) (shop_products)', '{{stock_band}}']],
        'out: none left. low: at most ten. What is out cannot be sold.',
      ),
      graph(
        'Inventory value by category',
        'number',
        [['max by (category) (shop_inventory_value)', '{{category}}']],
        'The twenty largest, and all others together.',
      ),
      graph(
        'Changes',
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
        'An estimate from a sample when there are many.',
      ),
      graph(
        'Items added',
        'operations',
        [[rate('use_case', `${useCases}{use_case="addItem", outcome="ok"}`), 'added']],
        'Of them the shop lives.',
      ),
      graph(
        'Items refused, by reason',
        'operations',
        [[rate('outcome', `${useCases}{use_case=~"addItem|setQuantity", outcome!="ok"}`), '{{outcome}}']],
        'insufficient_stock: lost sales. unavailable: our fault, see DependencyDown in the runbook.',
      ),
    ),
    row(
      'These statistics',
      stat(
        'Readable',
        'number',
        [['min by (statistics) (shop_statistics_up)', '{{statistics}}']],
        'See ShopStatisticsMissing in the runbook.',
      ),
      stat(
        'Age',
        'seconds',
        [['time() - max by (statistics) (shop_statistics_read_timestamp_seconds)', '{{statistics}}']],
        'They are read when scraped, at most every 15 seconds.',
      ),
    ),
  ],
)
