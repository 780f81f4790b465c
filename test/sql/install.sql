-- The extension can be created, with what it requires.
CREATE EXTENSION researcharr CASCADE;
