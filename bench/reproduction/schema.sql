-- What the services of the suite keep in PostgreSQL. Every case reads rows of its own.
CREATE TABLE suppliers (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE customers (
    id serial PRIMARY KEY, name text NOT NULL, email text UNIQUE NOT NULL, birthday date, credit numeric(10, 2),
    settings jsonb NOT NULL DEFAULT '{}', tags text[] NOT NULL DEFAULT '{}', password_hash text NOT NULL, api_token text NOT NULL
);
CREATE TABLE articles (
    id serial PRIMARY KEY, sku text UNIQUE NOT NULL, name text NOT NULL, price numeric(10, 2), stock integer NOT NULL DEFAULT 0,
    weight double precision, supplier_id integer REFERENCES suppliers
);
CREATE TABLE orders (
    id serial PRIMARY KEY, customer_id integer NOT NULL REFERENCES customers, placed timestamptz NOT NULL DEFAULT now(),
    discount numeric(4, 2), note text
);
CREATE TABLE lines (
    id serial PRIMARY KEY, order_id integer NOT NULL REFERENCES orders, article_id integer NOT NULL REFERENCES articles, quantity integer NOT NULL
);
CREATE TABLE options (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO suppliers (name) VALUES ('Orchard'), ('Mill');
INSERT INTO articles (sku, name, price, stock, weight, supplier_id) VALUES
    ('pear', 'Pear', 0.80, 12, 1.5, 1), ('fig', 'Fig', NULL, 5, 0.4, 1), ('flour', 'Flour', 2.10, 0, 10, NULL);
