# /// script
# dependencies = ["cryptography"]
# ///
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519


def operate():
    box = Fernet(Fernet.generate_key())
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    signature = key.sign(b"message")
    key.public_key().verify(signature, b"message")
    other = ec.generate_private_key(ec.SECP256R1())
    other.public_key().verify(other.sign(b"m", ec.ECDSA(hashes.SHA256())), b"m", ec.ECDSA(hashes.SHA256()))
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return [box.decrypt(box.encrypt(b"secret")).decode(), signature.hex(), public.decode()]
