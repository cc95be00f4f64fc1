from events import worker
from models import engine, outbox

relay = outbox.relay(engine, worker)
