-- Rows that the cases read: number 1 and `ann` are well, number 2 and `bob` are not. Passwords and tokens are put in their places.
INSERT INTO customers (name, email, birthday, credit, settings, tags, password_hash, api_token) VALUES
    ('Ann', 'ann@example.org', '1990-02-28', 10.50, '{"theme": {"color": "green"}}', '{regular}', '{ann_password}', '{ann_token}'),
    ('Bob', 'bob', NULL, NULL, '{}', '{}', '{bob_password}', '{bob_token}');
INSERT INTO orders (customer_id, discount, note) VALUES (1, NULL, 'closed'), (2, 0.10, NULL), (1, NULL, NULL);
INSERT INTO lines (order_id, article_id, quantity) VALUES (1, 1, 3), (2, 2, 1);
INSERT INTO options VALUES ('currency', 'EUR'), ('supplier of Mill', '2');
