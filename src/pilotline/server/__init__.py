"""HTTP: the tables for other engines; later the API, the governed scan, the web pages.

AccessError                  PL400
├── NotLoopback              PL402  (listening) others could reach it, and nobody asked for that
├── BadToken                 PL403  (tokens) the token given cannot be one
├── BadCertificate           PL348  (listening) a certificate and its key that cannot be read
FactoryError                 PL500
└── CannotListen             PL501  (listening) the address is taken or not of this machine
"""
