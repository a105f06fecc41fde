from tests.monitor.fake_snapshot import X
def test_x(): assert X
