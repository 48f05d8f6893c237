import {
  Column,
  CreateDateColumn,
  Entity,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
  VersionColumn,
} from 'typeorm'

const price = { to: (value: number) => value, from: (value: string) => Number(value) }

@Entity('products')
export class Product {
  @PrimaryGeneratedColumn('identity')
  id: number

  @Column()
  name: string

  @Column()
  description: string

  @Column({ type: 'numeric', precision: 12, scale: 2, transformer: price })
  price: number

  @Column()
  stock: number

  @Column()
  category: string

  @VersionColumn()
  version: number

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date

  @UpdateDateColumn({ type: 'timestamptz' })
  updated_at: Date
}
