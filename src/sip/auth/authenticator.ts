export type DigestAlgorithm = 'MD5' | 'SHA-256';
